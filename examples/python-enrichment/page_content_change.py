"""Adds content to page_change events: `content_body` for every content slot that an event names.

A page that was deleted, and content that is hidden, pass through without a body. A revision that does not exist is an
error event `not_found`. Bodies go from the wiki to the output as blobs and never enter this plugin, and the output is a
patch of the input, so fields that this plugin does not know survive.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from millrace import Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, pointer

OUTPUT = "page_content_change"


@dataclass
class Settings:
    """What the operator may set."""

    sha1_mismatch: Annotated[
        Literal["emit", "omit", "fail"], "what to do with a body whose SHA-1 is not the one in the event"
    ] = "emit"


@dataclass
class Meta:
    """Which wiki it was."""

    domain: str | None = None


@dataclass
class Slot:
    """A part of the revision."""

    content_sha1: str | None = None


@dataclass
class Revision:
    """What the event says of the revision."""

    rev_id: int
    is_content_visible: bool | None = None
    content_slots: dict[str, Slot] = field(default_factory=dict)


@dataclass
class PageChange:
    """What is read of an event; the input's fields are the same."""

    page_change_kind: str
    revision: Revision
    meta: Meta = field(default_factory=Meta)


FIELDS = [
    "/page_change_kind",
    "/meta/domain",
    "/revision/rev_id",
    "/revision/is_content_visible",
    "/revision/content_slots",
]

plugin = Plugin(
    "page-content-change",
    "0.1.0",
    inputs={"page_change": Input(fields=FIELDS)},
    outputs={OUTPUT: Output(schema="mediawiki/page/change")},
    lookups=["revision"],
    settings=Settings,
)


@plugin.enrich
async def enrich(event: Event, wiki: MediaWiki, settings: Settings) -> Outcome:
    """Decide about one event."""
    change = event.json(PageChange)
    facts, patch = change.revision, event.patch()
    if change.page_change_kind == "delete" or facts.is_content_visible is False or not facts.content_slots:
        return patch.emit(OUTPUT)
    if change.meta.domain is None:
        raise Failure("invalid_event", "meta.domain is missing: which wiki is it?")
    revision = await wiki.revision(change.meta.domain, facts.rev_id, slots=facts.content_slots)
    for role, slot in facts.content_slots.items():
        if revision.is_hidden(role):
            continue
        content = revision.content(role)
        if slot.content_sha1 not in (None, content.sha1):
            event.count("sha1_mismatch", slot=role)
            if settings.sha1_mismatch == "omit":
                continue
            if settings.sha1_mismatch == "fail":
                where = f"slot {role} of revision {facts.rev_id}"
                message = f"{where}: SHA-1 is {content.sha1}, the event says {slot.content_sha1}"
                raise Failure("sha1_mismatch", message)
        patch.set(pointer("revision", "content_slots", role, "content_body"), content.body)
    return patch.emit(OUTPUT)
