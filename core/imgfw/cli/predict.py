"""`imgfw predict`: apply the best model of a run to images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from imgfw.cli.failures import complain
from imgfw.cli.invocation import Invocation
from imgfw.cli.options import FILE, json_option, run_argument
from imgfw.cli.output import print_json, say
from imgfw.contract.errors import BadSampleError, DataError, UsageError
from imgfw.contract.wording import counted

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")


@click.command()
@run_argument
@click.argument("images", nargs=-1, required=True, type=FILE)
@click.option("--output", type=FILE, metavar="DIR", help="Where to write what is an image itself, as masks.")
@json_option
@click.pass_obj
def predict(
    invocation: Invocation, run_folder: Path, images: tuple[Path, ...], output: Path | None, as_json: bool
) -> None:
    """Apply the best model of RUN to IMAGES. These are files, or folders of them.

    Those that cannot be read are left out and listed at the end; the exit code is then 3.
    """
    files = list(dict.fromkeys(file for image in images for file in _find_images(image)))
    from imgfw.cli.predictions import PredictionFiles, text_of
    from imgfw.engine import predictor

    model = predictor.load(run_folder, catalog=invocation.catalog)
    prediction_files = PredictionFiles(output)
    bad: list[BadSampleError] = []
    for file, record in zip(files, model.predict_readable(files), strict=True):
        if isinstance(record, BadSampleError):
            bad.append(record)
            if as_json:
                print_json({"file": str(file), "error": record.reason}, indent=None)
            continue
        plain = prediction_files.write(file, record)
        if as_json:
            print_json({"file": str(file), **plain}, indent=None)
        else:
            say(f"{file}: {text_of(plain)}")
    if output is not None and not prediction_files.written and len(bad) < len(files):
        complain("note", "these predictions are text only; nothing was written to --output")
    if bad:
        raise _unreadable(bad, len(files))


def _unreadable(bad: Sequence[BadSampleError], count: int) -> DataError:
    lines = [f"{len(bad)} of {counted(count, 'image')} cannot be read:", *(f"  {error}" for error in bad), ""]
    return DataError("\n".join(lines), "Mend them or leave them out; all others are predicted.")


def _find_images(path: Path) -> Iterator[Path]:
    """A file itself, or every image file below a folder.

    Raises:
        UsageError: there is no such file or folder.
        DataError: the folder holds no image.
    """
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise UsageError(f"There is no image or folder {path}.", "Check the path; ~ and * are the shell's.")
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    if not found:
        raise DataError(f"The folder {path} holds no image.", f"Looked for files in {', '.join(_SUFFIXES)}.")
    yield from found
