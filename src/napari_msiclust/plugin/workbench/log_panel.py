"""The steps that were made by hand, and what follows from them."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_msiclust.plugin.workbench.session import Session


class LogPanel(QWidget):
    """Every correction in words; learn again from them.

    Signals
    -------
    relearning_wanted
        The user asks to learn again.
    """

    relearning_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.evidence = QListWidget(), QLabel()
        self.relearn, self.link = QPushButton("Learn again"), QPushButton("Link isotopes")
        self.relearn.setToolTip(
            "train the network on from the corrected labels, and label all ions that are not pinned again, "
            "unassigned ones too; ions that were set aside before learning stay aside"
        )
        self.link.setToolTip(
            "put every ion that may be a 13C isotope into the cluster of its ion, and pin it there"
        )
        self.steps.setAccessibleName("corrections so far")
        self.evidence.setWordWrap(True)
        self.evidence.setAlignment(Qt.AlignmentFlag.AlignTop)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(self.evidence)
        buttons = QHBoxLayout()
        buttons.addWidget(self.relearn)
        buttons.addWidget(self.link)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(3)
        layout.addWidget(self.steps, stretch=1)
        layout.addLayout(buttons)
        layout.addWidget(area, stretch=1)
        self._session: Session | None = None
        self.relearn.clicked.connect(self.relearning_wanted)
        self.link.clicked.connect(self._link)

    def show_session(self, session: Session) -> None:
        """Show another session."""
        self._session = session
        session.changed.connect(self._list)
        session.evidence_changed.connect(self._weigh)
        self._list()
        self._weigh()

    def leave_session(self) -> None:
        """Hear no more of the session."""
        if self._session is not None:
            self._session.changed.disconnect(self._list)
            self._session.evidence_changed.disconnect(self._weigh)
            self._session = None

    def _list(self) -> None:
        self.steps.clear()
        history = None if self._session is None else self._session.history
        if history is None:
            return
        if not history.edits:
            self.steps.addItem(_nothing_yet())
        for number, step in enumerate(history.steps(), start=1):
            item = QListWidgetItem(f"{number}. {step}" + (" (undone)" if number > history.position else ""))
            font = item.font()
            font.setStrikeOut(number > history.position)
            item.setFont(font)
            self.steps.addItem(item)
        self.steps.scrollToBottom()

    def _weigh(self) -> None:
        if self._session is not None:
            self.evidence.setText(" ".join(self._session.evidence.sentences()))

    def _link(self) -> None:
        if self._session is not None:
            self._session.link_isotopes()


def _nothing_yet() -> QListWidgetItem:
    item = QListWidgetItem("No corrections yet. Each one will stand here, and Undo takes it back.")
    item.setFlags(Qt.ItemFlag.NoItemFlags)
    return item
