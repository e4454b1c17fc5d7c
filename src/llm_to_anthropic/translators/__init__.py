"""One upstream protocol each, both ways, sans-IO: bytes and Structs in, bytes and Structs out."""
