"""Names of the keys that records are read from, as they are compared: lower case, blanks as underscores."""

from __future__ import annotations

# Keys of a question, in the order they are looked for; and the answer that each goes with by custom.
QUESTIONS = {
    "instruction": "output",
    "prompt": "completion",
    "question": "answer",
    "question_stem": "answerkey",
    "query": "response",
    "problem": "solution",
    "inputs": "targets",
    "input_text": "output_text",
    "text_input": "output",
    "user": "assistant",
    "human": "assistant",
    "input": "output",
    "text": "label",
}
LABELS = (
    "answerkey",
    "answer_key",
    "correct",
    "correct_option",
)  # the letter of one of the options, which says nothing without them
ANSWERS = (
    *("output", "completion", "response", "answer", "solution", "target", "targets", "output_text", "generation"),
    *("correct_answer", "assistant", *LABELS, "label"),
)
CONTEXTS = ("context", "contexts", "passage", "passages", "article", "document", "documents", "paragraph")
SYSTEMS = ("system", "system_prompt", "system_message", "systeminstruction", "system_instruction")
ROUNDS = ("history", "chat_history", "conversation_history")
OPTIONS = ("choices", "options")
REASONING = ("reasoning_content", "reasoning", "thinking")
LISTS = ("messages", "conversations", "conversation", "contents", "dialogue", "dialog", "turns")
TOOLS = ("tools", "functions")
CALLS = ("tool_calls", "function_call")
STRUCTURES = frozenset({*LISTS, *ROUNDS, *OPTIONS, *TOOLS, *CALLS, "answers"})  # of which `[]` may stand in a text
ROLE_KEYS = ("role", "from", "author", "speaker", "sender")
PREFERENCES = (
    ("chosen", "rejected"),
    ("chosen_response", "rejected_response"),
    ("preferred_output", "non_preferred_output"),
    ("preferred", "rejected"),
    ("preferred", "dispreferred"),
)
PARTS = {
    **dict.fromkeys((*QUESTIONS, *OPTIONS), "question"),
    **dict.fromkeys((*ANSWERS, "answers", *(name for names in PREFERENCES for name in names)), "answer"),
    **dict.fromkeys(CONTEXTS, "context of the question"),
    **dict.fromkeys(SYSTEMS, "system turn"),
    **dict.fromkeys(ROUNDS, "earlier rounds"),
    **dict.fromkeys(LISTS, "turns"),
    **dict.fromkeys(REASONING, "reasoning"),
    **dict.fromkeys(TOOLS, "tools"),
    **dict.fromkeys(CALLS, "tool calls"),
}
"""What a key becomes, by its name."""
KNOWN_KEYS = frozenset(
    {*QUESTIONS, *ANSWERS, *CONTEXTS, *SYSTEMS, *ROUNDS, *OPTIONS, *REASONING, *LISTS, *TOOLS, "answers", "tool_calls"}
    | {"weight", "kto_tag", "status", *(name for pair in PREFERENCES for name in pair)}
)
