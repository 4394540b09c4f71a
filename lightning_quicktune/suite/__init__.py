"""The built-in suite: synthetic question-answer tasks about invented knowledge."""
