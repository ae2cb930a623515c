# NAME: ignore_signals
# KIND: script
# DOES: ignores and blocks every signal, sets its own handlers for SIGXCPU, then burns
# MUST: killed at the processor limit
import signal

for number in signal.valid_signals():
    try:
        signal.signal(number, lambda *_: None)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True:
    pass
