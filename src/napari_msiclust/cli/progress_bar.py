"""The progress bar of the terminal."""

from __future__ import annotations

import typer

from napari_msiclust.progress import ProgressCallback


class progress_bar:
    """A bar with stage, loss and remaining time; one line per stage where there is no terminal."""

    def __enter__(self) -> ProgressCallback:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        from napari_msiclust import progress as steps

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description:22}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]:28}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._bar.start()
        tasks: dict[str, int] = {}

        def report(step: steps.Progress) -> None:
            if step.stage not in tasks:
                tasks[step.stage] = int(self._bar.add_task(step.stage, total=step.total, detail=""))
                if not console.is_terminal:
                    typer.echo(f"{step.stage} ...")
            detail = [] if step.loss is None else [f"loss {step.loss:.3f}"]
            if step.confident_fraction is not None:
                detail.append(f"confident {step.confident_fraction:.0%}")
            task = tasks[step.stage]
            self._bar.update(task, completed=step.step, total=step.total)  # type: ignore[arg-type]
            if detail:
                self._bar.update(task, detail=", ".join(detail))  # type: ignore[arg-type]

        return report

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
