"""`mobile-vla data`: statistics of a dataset, and imports from other programs."""

from __future__ import annotations

import inspect
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from mobile_vla.data.importers import Importer, ImportReport

_PLAIN_TYPES = (bool, int, float, str)
_SHOWN_SKIPS = 10


class FormatGroup(TyperGroup):
    """One sub-command per registered import format, made from its options when somebody asks for it."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the registered formats."""
        from mobile_vla.data.importers import importers

        return importers.names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of one format. Raises UnknownNameError naming the choices."""
        from mobile_vla.data.importers import importers

        single = typer.Typer(add_completion=False)
        importer = importers.get(cmd_name)
        single.command(cmd_name, help=importer.help)(_import_function(importer))
        return typer.main.get_command(single)


app = typer.Typer(no_args_is_help=True, help="Look into datasets, and bring recordings of other programs in.")
app.add_typer(
    typer.Typer(cls=FormatGroup, no_args_is_help=True, callback=lambda: None, invoke_without_command=False),
    name="import",
    help="Turn a recording of another program into episodes: FORMAT SOURCE --out DIR.",
)


@app.command()
def stats(
    folder: Annotated[Path, typer.Argument(help="Folder with .h5 episodes.", show_default=False)],
    default_rate_hz: Annotated[
        float | None, typer.Option(help="Frames per second of files that do not say it.", show_default=False)
    ] = None,
) -> None:
    """Print how many episodes and frames there are, and what they hold per scenario."""
    from mobile_vla.data.stats import dataset_stats

    print("\n".join(dataset_stats(folder, default_rate_hz).lines()))


def _import_function(importer: Importer[Any]) -> Any:
    """Return a function with one command-line parameter per option of the format."""

    def run(source: Path, out: Path, **options: Any) -> None:
        from mobile_vla.core.config import build

        given = {key: value for key, value in options.items() if value is not None}
        _print_report(importer.convert(source, out, build(importer.Options, given, "options")), out)

    parameters: dict[str, tuple[Any, Any]] = {
        "source": (Annotated[Path, typer.Argument(help="What to import.", show_default=False)], inspect.Parameter.empty),
        "out": (Annotated[Path, typer.Option(help="Folder for the episodes.", show_default=False)], inspect.Parameter.empty),
    }
    for name, field in importer.Options.model_fields.items():
        help_text = f"{field.description or ''} Default: {field.default}."
        kind: Any = _option_type(field.annotation)
        parameters[name] = (Annotated[kind | None, typer.Option(help=help_text, show_default=False)], None)
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for name, (annotation, default) in parameters.items()
        ]
    )
    run.__annotations__ = {name: annotation for name, (annotation, _) in parameters.items()}
    return run


def _option_type(annotation: Any) -> type:
    """The type that the command line parses; what is not plain goes through as text, for the options' class to check."""
    choices = typing.get_args(annotation) if typing.get_origin(annotation) in (typing.Union, types.UnionType) else (annotation,)
    return next((choice for choice in choices if choice in _PLAIN_TYPES), str)


def _print_report(report: ImportReport, out: Path) -> None:
    for warning in report.warnings:
        print(f"Warning: {warning}")
    for skipped in report.skipped[:_SHOWN_SKIPS]:
        print(f"Skipped: {skipped}")
    if len(report.skipped) > _SHOWN_SKIPS:
        print(f"Skipped: {len(report.skipped) - _SHOWN_SKIPS} more.")
    print(f"Wrote {len(report.episodes)} episodes, {report.frames} frames, to {out}")
