"""Transports: how bytes reach a server and come back. What users need to write one is here."""

from .base import ByteStream, Channel, HttpReply, HttpRequest, SentRequest, Timeouts, Transport

__all__ = [
    "ByteStream",
    "Channel",
    "HttpReply",
    "HttpRequest",
    "SentRequest",
    "Timeouts",
    "Transport",
]
