"""The request path: targets, translation, sending, commit point, exchange.

In the order of a request's way:

    call, client_request    what the server in front hands over, and what it says
    gateway, work           the way itself: from the route to exactly one exchange
    admission, pressure, memory_gauge   who may run, by places, memory and time
    attempts, lanes         which target comes next, and which are left alone
    backoff, breaker, judgement         when to try again, for whom, and what an error means for it
    fetched_urls, sending   what is put into a request, and its way out with credentials
    relay, whole            a translated answer, as a stream or in one piece
    streaming               what both kinds of streams do towards their client
    passthrough, known_mends            Anthropic's own, whose bytes stay as they are
    byte_relay, batches, refusal        their answers
    answer_headers          of what is sent back
    progress, recording     what the exchange and the transcript will tell
"""
