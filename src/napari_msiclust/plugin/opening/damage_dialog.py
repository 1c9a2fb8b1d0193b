"""What is wrong with a file, and the choice to open what can be read of it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from napari_msiclust.msi.damage import Damage


class DamageDialog(QDialog):
    """Shows the findings about a damaged file; emits `chosen` if the user wants what can be read.

    It does not keep the user from working in the window behind it.

    Parameters
    ----------
    damage : Damage
    parent : QWidget
    """

    chosen = Signal()

    def __init__(self, damage: Damage, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"{damage.path.name} is damaged")
        self.setModal(False)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = QLabel("\n\n".join([*map(str, _sentences(damage)), _rest(damage)]))
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.open_button = buttons.addButton("Open what can be read", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self.chosen)
        buttons.accepted.connect(self.close)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
        self.resize(560, self.sizeHint().height())


def _sentences(damage: Damage) -> list[str]:
    return [
        "; ".join(filter(None, (finding.fault, finding.consequence))) + "." for finding in damage.findings
    ]


def _rest(damage: Damage) -> str:
    pixels = "1 pixel" if damage.readable_pixels == 1 else f"{damage.readable_pixels} pixels"
    return (
        f"{pixels} can be read. Copying or exporting the file again is better: what is opened now is "
        "incomplete, and so is every result made from it."
    )
