"""Unit tests of a plugin without WebAssembly: a host in the test's own process, which answers lookups from recordings.

    from millrace.testing import Host, Recording

    host = Host(plugin)
    host.record(Recording.answer("revision", {"rev_id": 7}, {"rev_id": 7, "slots": {...: {"body": 0}}}, ["Hello"]))
    decided = host.run("page_change", {"meta": {"domain": "en.wikipedia.org"}, "revision": {"rev_id": 7}})
    assert decided.documents == [{...}]

It drives the same coroutines by the same turns as the real host, cuts events down to the declared fields, and applies
patches, so what a test sees is what a stream would get before the host fills in the envelope (`meta`, `$schema`). It
holds the plugin to the rules and limits of the contract (`Fault`) and to what may be written (`OutputInvalid`). It does
not know what an operator can set (deadlines, memory, the size of records), keys that the host builds, schemas, or what
the host makes of several events at once, and it checks no params of lookups.

State is kept by the keys of the records: `Host.state` shows it, `Host.put_state` begins with some, and `Host.fire_due`
runs the timers that are due.

Many such tests are better kept as folders: `millrace.testing.cases`.
"""

from millrace.desk import Report
from millrace.testing.cases import run as run_cases
from millrace.testing.decided import Decided, Decision, Emit, Emitted, Fail, Fault, OutputInvalid, Retry, Skip
from millrace.testing.host import Host, Record
from millrace.testing.recording import Recording

__all__ = [
    "Decided",
    "Decision",
    "Emit",
    "Emitted",
    "Fail",
    "Fault",
    "Host",
    "OutputInvalid",
    "Record",
    "Recording",
    "Report",
    "Retry",
    "Skip",
    "run_cases",
]
