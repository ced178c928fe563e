"""Images, sound and documents as users see them: values do no I/O, and here they get what fetches them by URL."""

from __future__ import annotations

from ..engine.downloads import HTTPDownloader
from ..types.content import Audio, Document, Image
from ..types.media_types import set_downloader

__all__ = ["Audio", "Document", "Image"]

set_downloader(HTTPDownloader())
