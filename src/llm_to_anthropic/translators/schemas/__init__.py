"""JSON schemas of tools and answers, as upstreams take them.

They come from clients: whatever is done to one is bounded in time and size.

    schema          reading one; all others rest on it
    limits          how many, how large and how deep they may be
    preparing       repaired at the root, for upstreams that take most of JSON Schema
    closing         for strict decoding, and values back from there
    patterns        without regular expressions that not every engine reads
    lengths         without bounds of lengths, for upstreams that make grammars of them
    inlining        written out: no references, constants or tuples
    merging         two as one, or a choice as one
    typed           with a type in each part, as Moonshot wants them
    google, google_subset   as Gemini takes them, also behind gateways of other protocols
"""
