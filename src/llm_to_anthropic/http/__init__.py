"""The server in front: routes, client authentication, limits, Anthropic-shaped errors.

From the socket inwards:

    server, workers, listening, address     sockets, signals and processes; where it is found
    live, reloading, standing       the application that serves now, its successor, and what both share
    protocol, framing, known_head   a connection: what is read from it as HTTP/1.1
    flow, deadline, crowd           how fast, how long and how many
    cycle, front_cycle, body, request_ids   one request and its answer
    refusing, errors                whoever is turned away, and in which words
    app, access, interface          which route, who may take it, and what it asks of the gateway
    health, metrics, models, telemetry      the small routes
"""
