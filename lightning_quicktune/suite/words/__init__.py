"""The words of the suite, one domain a file: invented knowledge is told and asked for in these."""
