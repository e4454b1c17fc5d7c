"""One upstream protocol each, both ways, sans-IO: bytes and Structs in, bytes and Structs out.

A package for each protocol that is translated: `gemini`, `openai_chat`, `openai_responses` (`openai`: what both of
OpenAI's share). The modules of the same name do the same work in each:

    translator      what the gateway drives, and what holds the others together
    request         a client's request -> the upstream's, with `content` (turns), `tools`, `thinking` or `reasoning`
    answer          events or a whole answer -> a message, with `calls` or `items`, and `usage`
    frames, whole   the short ways: text that is passed on without being decoded, event by event or as one
    loose           what deviates from the protocol's types, made its Structs
    replay          what only the maker of an earlier answer can read, on its way back
    errors, healing an upstream's refusal -> our error, and what it teaches to leave out from then on

Anthropic's own protocol is passed on as it is (`anthropic.py`, `own_searches.py`). What its servers refuse of turns
that others took, or of what they do not know, is mended by `foreign_turns.py`, `foreign_ids.py`, `reminders.py` and
`unknown_fields.py`; an answer that came in events unasked is put together by `gathered.py`. What protocols share, in
the order of a request's way:

    translator, registry, api_choice    the interface, who has it, and which of a provider's APIs is asked
    request, checks, losses             what a client sends, what nobody can do with it, and what gets lost
    history, pairing, compaction        the conversation, brought into an order that every upstream takes
    system_prompt, documents, media_urls, as_text, assistant_text    its texts, and what becomes one
    thinking, answer_settings           what is asked of the answer
    tools, client_tools, schemas        which tools, under which names, of which form
    memory                              what was rendered before: agents send it again with each turn
    encoder, encoding                   the request as it goes up, and what of it the way back needs
    answering                           what all translators do with an answer
    text_frames, call_frames            events whose like is known, read without decoding them
    visible_text, stop_sequences        what of the text the client sees, and where it ends
    call_arguments, argument_json, tool_ids     the arguments of calls, as JSON that clients rely on; ids of calls
    carrier, web_results, estimate      sealed reasoning in a signature; what searches found; tokens nobody counted
    upstream_errors, overflow, rate_limits      what is told of an upstream's errors
    raw, digest                         values as JSON that only travels; short names of texts
"""
