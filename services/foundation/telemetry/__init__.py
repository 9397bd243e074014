"""What a node tells of itself: logs, traces and metrics, none of which may hold personal data.

`start` sets up what the settings ask for and returns the `Telemetry` that the gate, the channels and other rooms are
given; `logs.configure` comes first in a process. Without a collector nothing of OpenTelemetry is imported.
"""

from services.foundation.telemetry.setup import Telemetry, start
from services.foundation.telemetry.traces import continued, current_traceparent

__all__ = ["Telemetry", "continued", "current_traceparent", "start"]
