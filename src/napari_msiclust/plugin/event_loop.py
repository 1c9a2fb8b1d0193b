"""Whether there is a window at work, or a script that wants things at once; and work while it lives."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from qtpy.QtCore import QCoreApplication, QEventLoop, QThread, QTimer

_MS_BETWEEN_LOOKS = 30
_Value = TypeVar("_Value")


def handles_events() -> bool:
    """Whether this is the window's thread, and its events are being handled.

    Then work may be put off and done beside the window. A script that opens a file or a widget before
    `napari.run()` is called expects it to be there at once.
    """
    thread, app = QThread.currentThread(), QCoreApplication.instance()
    return app is not None and thread is app.thread() and thread.loopLevel() > 0


def while_window_lives(work: Callable[[], _Value]) -> _Value:
    """Do `work` in a thread and wait for it, while the window is drawn and deaf to the user.

    For what napari wants at once and what takes long, such as a sample that is fetched. Without a window
    at work it is just done.
    """
    if not handles_events():
        return work()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        loop, timer = QEventLoop(), QTimer(interval=_MS_BETWEEN_LOOKS)
        timer.timeout.connect(lambda: done.done() and loop.quit())
        timer.start()
        loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        timer.stop()
        return done.result()
