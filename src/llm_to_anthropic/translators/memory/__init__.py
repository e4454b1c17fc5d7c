"""What was rendered or read before: each turn of an agent repeats the whole conversation, and adds a little.

Nothing here changes what is sent: what does not read the same wherever it stands goes the general way.

    memory          values by their bytes, bounded in size
    surroundings    what a client sends around the messages, read once
    beginnings      how much of a conversation that passes through was looked at
    conversation    how much of one is rendered, found again by one comparison
    alone           renders a message as if there were no others
    known_messages  puts a request together: messages that are known or rendered now, in their frame
"""
