"""Whether there is a window at work, or a script that wants things at once."""

from __future__ import annotations

from qtpy.QtCore import QCoreApplication, QThread


def handles_events() -> bool:
    """Whether this is the window's thread, and its events are being handled.

    Then work may be put off and done beside the window. A script that opens a file or a widget before
    `napari.run()` is called expects it to be there at once.
    """
    thread, app = QThread.currentThread(), QCoreApplication.instance()
    return app is not None and thread is app.thread() and thread.loopLevel() > 0
