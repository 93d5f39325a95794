"""The kinds of audit entry, "subject:thing:action", each with its version and a one-line meaning.

Must not lose a kind: a kind that is no longer written stays here, so that old entries stay readable. A kind whose
facts change their meaning gets a new version; the entry says which one it was written under.
"""

from __future__ import annotations

from enum import StrEnum


class EntryKind(StrEnum):
    """What an entry records. The value stands in the trail for ever."""

    SUBMISSION_RECEIVED = "case:submission:received"
    SUBMISSION_REPEATED = "case:submission:repeated"
    SUBMISSION_RETRIED = "case:submission:retried"
    SUBMISSION_CONFLICTED = "case:submission:conflicted"
    ACT_RECEIVED = "case:act:received"
    ACT_REPEATED = "case:act:repeated"
    ACT_RETRIED = "case:act:retried"
    ACT_CONFLICTED = "case:act:conflicted"
    CALL_ATTEMPTED = "case:call:attempted"
    CALL_ANSWERED = "case:call:answered"
    CALL_UNCLEAR = "case:call:unclear"
    CALL_FAILED = "case:call:failed"
    CALL_ASKED = "case:call:asked"
    CALL_TAKEN_OVER = "case:call:takenover"
    CALL_PARKED = "case:call:parked"
    CALL_CANCELLED = "case:call:cancelled"
    SHELF_RETRIED = "case:shelf:retried"
    SHELF_ASKED = "case:shelf:asked"
    SHELF_RESENT = "case:shelf:resent"
    SHELF_REROUTED = "case:shelf:rerouted"
    SHELF_CLOSED = "case:shelf:closed"
    DATA_REVEALED = "case:data:revealed"
    EVENT_RECORDED = "case:event:recorded"
    CALLBACK_RECEIVED = "case:callback:received"
    CALLBACK_REPEATED = "case:callback:repeated"
    CALLBACK_IGNORED = "case:callback:ignored"
    NOTICE_DELIVERED = "case:notice:delivered"
    NOTICE_PARKED = "case:notice:parked"
    CLOCK_WARNED = "case:clock:warned"
    CLOCK_OVERDUE = "case:clock:overdue"
    CLOCK_RECOUNTED = "case:clock:recounted"
    REQUEST_REFUSED = "door:request:refused"
    ADDRESS_IGNORED = "door:address:ignored"
    MESSAGE_REFUSED = "door:message:refused"
    MESSAGE_REUSED = "door:message:reused"
    SIGNED_IN = "door:session:opened"
    SIGN_IN_REFUSED = "door:session:refused"
    SIGNED_OUT = "door:session:ended"
    NOT_PERMITTED = "door:permission:denied"
    CLIENT_ENROLLED = "party:client:enrolled"
    CLIENT_BLOCKED = "party:client:blocked"
    CLIENT_UNBLOCKED = "party:client:unblocked"
    CLIENT_LIMITED = "party:client:limited"
    ADDRESS_PROVEN = "party:address:proven"
    KEY_ADDED = "party:key:added"
    KEY_ENDS = "party:key:ends"
    KEY_RETIRED = "party:key:retired"
    WEAK_ALLOWED = "party:key:weak"
    ACT_PROPOSED = "act:proposal:made"
    ACT_DECLINED = "act:proposal:refused"
    ACT_WITHDRAWN = "act:proposal:withdrawn"
    ACT_EXPIRED = "act:proposal:expired"
    ACT_APPROVED = "act:approval:given"
    ACT_NOT_APPROVED = "act:approval:turneddown"
    ACT_EXECUTED = "act:execution:done"
    ACT_FAILED = "act:execution:failed"
    SWITCHED_OFF = "house:switch:off"
    SWITCHED_ON = "house:switch:on"
    CLOSURE_PLANNED = "house:closure:planned"
    CLOSURE_ENDED = "house:closure:ended"
    PROCESS_STARTED = "system:process:started"
    PROCESS_STOPPED = "system:process:stopped"
    EVIDENCE_DELETED = "house:evidence:deleted"
    EPOCH_BEGUN = "system:epoch:begun"
    EPOCH_SERVED = "system:epoch:served"
    CATALOGUE_LOADED = "system:catalogue:loaded"
    CATALOGUE_PUBLISHED = "system:catalogue:published"
    CALENDAR_LOADED = "system:calendar:loaded"

    @property
    def meaning(self) -> str:
        """One line for people."""
        return MEANINGS[self]

    @property
    def version(self) -> str:
        """The version new entries of this kind are written under (``kind_v``)."""
        return VERSIONS.get(self, "1") if VERSIONS else "1"

    @property
    def parts(self) -> tuple[str, str, str]:
        """Subject, thing and action."""
        subject, thing, action = self.value.split(":")
        return subject, thing, action


_K = EntryKind

MEANINGS: dict[EntryKind, str] = {
    _K.SUBMISSION_RECEIVED: "a submission was taken in and its receipt made; facts receipt_no, digests business",
    _K.SUBMISSION_REPEATED: "the same message came again inside its window; the stored answer was given again",
    _K.SUBMISSION_RETRIED: "the same submission came in a new message; same case, same receipt, fresh envelope",
    _K.SUBMISSION_CONFLICTED: "the bank's reference of this case came again with other content and was refused",
    _K.ACT_RECEIVED: "a supplement or withdrawal of the bank was taken in; facts operation, bank_ref; digests business",
    _K.ACT_REPEATED: "the same message of an act came again inside its window; the stored answer was given again",
    _K.ACT_RETRIED: "the same act came in a new message; nothing was done twice, fresh envelope",
    _K.ACT_CONFLICTED: "a reference came again with another content or operation and was refused",
    _K.CALL_ATTEMPTED: "a call to the department is about to be sent, attempt n",
    _K.CALL_ANSWERED: "the department answered the call",
    _K.CALL_UNCLEAR: "the call may or may not have arrived; the department is asked before anything is sent again",
    _K.CALL_FAILED: "the call certainly did not arrive, or was turned down; it is tried again or parked",
    _K.CALL_ASKED: "the department was asked how a call stands",
    _K.CALL_TAKEN_OVER: "a worker's lease ran out and another worker took its call over",
    _K.CALL_PARKED: "the gateway stopped trying; a person must look",
    _K.CALL_CANCELLED: "the call was cancelled before it was ever sent",
    _K.SHELF_RETRIED: "parked work was taken from the shelf, to be tried by the way that cannot file twice; fact work",
    _K.SHELF_ASKED: "a parked call was taken from the shelf; the department is asked first; fact work",
    _K.SHELF_RESENT: "two people had a parked call sent again though it may have arrived; facts work, reason, act",
    _K.SHELF_REROUTED: "two people sent a parked call to another department's system; facts work, to, reason, act",
    _K.SHELF_CLOSED: "two people closed parked work for good; facts work, reason, act",
    _K.DATA_REVEALED: "a person was shown one field of personal data of this case; facts path, purpose",
    _K.EVENT_RECORDED: "something happened to the case that its bank is told; facts event_no, event, state",
    _K.CALLBACK_RECEIVED: "an authentic callback of the department about this case was stored",
    _K.CALLBACK_REPEATED: "a callback that had already been stored came again and changed nothing",
    _K.CALLBACK_IGNORED: "a callback came too late or asked for an impossible move; kept and parked",
    _K.NOTICE_DELIVERED: "a client of the bank confirmed, signed, that it was told an event; facts event_no, notice",
    _K.NOTICE_PARKED: "a client of the bank could not be told an event for three days; a person must look",
    _K.CLOCK_WARNED: "a limit of this case comes near; facts due, clock",
    _K.CLOCK_OVERDUE: "a limit of this case has passed without its event; people were alarmed",
    _K.CLOCK_RECOUNTED: "a limit was counted again because a year's official calendar arrived; facts was, due",
    _K.REQUEST_REFUSED: "requests that were not authentic, counted per address, claimed client, reason and minute",
    _K.ADDRESS_IGNORED: "addresses in authentic messages were not used, counted per address, client, member and minute",
    _K.MESSAGE_REFUSED: "an authentic message was refused for its content",
    _K.MESSAGE_REUSED: "an authentic message carried a transport id already used for other content and was refused",
    _K.SIGNED_IN: "a person signed in by a token of an enrolled provider; facts session, roles, address",
    _K.SIGN_IN_REFUSED: "a token was not believed; fact cause, which the caller does not hear",
    _K.SIGNED_OUT: "a person's session ended by a word: their own, or the security officer's",
    _K.NOT_PERMITTED: "a signed-in person asked for what their role may not do; facts permission, route",
    _K.CLIENT_ENROLLED: "a client of a bank was enrolled, or its enrolment changed",
    _K.CLIENT_BLOCKED: "a client of a bank was blocked; facts reason",
    _K.CLIENT_UNBLOCKED: "a blocked client of a bank was let in again; facts reason",
    _K.CLIENT_LIMITED: "a client of a bank got limits of its own; facts rate, at_once (0 = the house's)",
    _K.ADDRESS_PROVEN: "a test notice to a client's enrolled address was answered as agreed; notices go there from now",
    _K.KEY_ADDED: "a key was added, with its validity",
    _K.KEY_ENDS: "a key got an end because its successor was added; facts key, until",
    _K.KEY_RETIRED: "a key was retired",
    _K.WEAK_ALLOWED: "a key with a weak algorithm was enrolled, with a reason and an end; facts key, until, reason",
    _K.ACT_PROPOSED: "a person proposed an act; facts act, persons, expires; digests payload",
    _K.ACT_DECLINED: "another person refused a proposed act; facts act, reason",
    _K.ACT_WITHDRAWN: "who proposed an act took it back; facts act",
    _K.ACT_EXPIRED: "a proposed act was not approved in time; facts act",
    _K.ACT_APPROVED: "a person approved an act as it was shown; facts act, enough; digests payload",
    _K.ACT_NOT_APPROVED: "a person tried to propose, approve, refuse or withdraw an act and may not; facts step, code",
    _K.ACT_EXECUTED: "an approved act was carried out, once; facts act, result; digests payload",
    _K.ACT_FAILED: "an approved act could not be carried out and changed nothing; facts act, why",
    _K.SWITCHED_OFF: "an item, an outlet or an item at an outlet takes no new submissions; facts from, say, reason",
    _K.SWITCHED_ON: "what was switched off takes submissions again; facts reason",
    _K.CLOSURE_PLANNED: "nothing is sent to a department's system for a time; facts closure, from, until, say, reason",
    _K.CLOSURE_ENDED: "a closure was ended early or taken back; facts closure, reason",
    _K.PROCESS_STARTED: "a process of the gateway started",
    _K.PROCESS_STOPPED: "a process of the gateway stopped in order",
    _K.EVIDENCE_DELETED: "two people deleted raw bytes whose time was over; facts before, rows, reason, act",
    _K.EPOCH_BEGUN: "the database was restored: what was told behind this place may be lost; facts epoch, open",
    _K.EPOCH_SERVED: "everything open was compared and the gateway serves again; facts epoch, unasked",
    _K.CATALOGUE_LOADED: "a catalogue of items was loaded; digests catalogue",
    _K.CATALOGUE_PUBLISHED: "two people published a version of an item; facts item, version, act; digests file",
    _K.CALENDAR_LOADED: "a year's official table of working days was loaded; facts year, source; digests table",
}

VERSIONS: dict[EntryKind, str] = {}  # only kinds past version 1 stand here
