"""The command that tells what a published version rests on, and whether all of it is still what it was."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mining_platform.artifacts import Ref
from mining_platform.audits import signing
from mining_platform.audits.changes import CAUSES, changes_json
from mining_platform.audits.events import crossed
from mining_platform.audits.html_form import audit_html
from mining_platform.audits.json_form import audit_json, counted
from mining_platform.audits.made_by import made_by_lines, origin_of
from mining_platform.audits.prov_form import prov_json
from mining_platform.audits.rocrate_form import audit_crate
from mining_platform.audits.sides import side_of
from mining_platform.audits.since import changed_since
from mining_platform.audits.text_form import asset_rows, audit_lines
from mining_platform.audits.walk import Audit, roots_of
from mining_platform.audits.walk import audit as walked
from mining_platform.consoles import CommandError, console, errors, print_rows
from mining_platform.lineage import Input
from mining_platform.packages.checksums import CHECKSUMS
from mining_platform.runs import Session
from mining_platform.sessions import open_session
from mining_platform.store import durable


def _indented(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Audit], str]] = {
    "json": lambda found: _indented(audit_json(found)),
    "html": audit_html,
    "rocrate": lambda found: _indented(audit_crate(found)),
    "prov": lambda found: _indented(prov_json(found)),
}
"""Writers of the forms that machines and browsers read."""


def audit(  # noqa: PLR0913 - the options of a command
    target: Annotated[
        str, typer.Argument(help="ASSET or ASSET@PARTITION, or with --made-by a file; without it all that is published.")
    ] = "",
    deep: Annotated[
        bool, typer.Option("--deep", help="Hash every byte; else names, sizes, facts and records are compared.")
    ] = False,
    form: Annotated[str, typer.Option("--format", help=f"One of text, {', '.join(FORMATS)}.")] = "text",
    out: Annotated[Path | None, typer.Option(help="File to write instead of printing.")] = None,
    made_by: Annotated[bool, typer.Option("--made-by", help="Tell how it was made, step by step, down to raw inputs.")] = False,
    changes: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="What changed between two releases: ASSET@PARTITION, digests or folders of packages."),
    ] = None,
    sign: Annotated[Path | None, typer.Option(help="Ed25519 private key (PEM): write a signed in-toto statement.")] = None,
    verify_signature: Annotated[Path | None, typer.Option(help="A signed statement to check, with --key.")] = None,
    key: Annotated[Path | None, typer.Option(help="Ed25519 public key (PEM) of who signed.")] = None,
) -> None:
    """What published versions rest on, down to raw inputs, and whether all of it is whole; exit code 1 on any break."""
    if form not in ("text", *FORMATS):
        raise CommandError(f"There is no format {form!r}. Use one of: text, {', '.join(FORMATS)}.")
    if sum((made_by, changes is not None, sign is not None, verify_signature is not None)) > 1:
        raise CommandError("Choose one of --made-by, --changes, --sign and --verify-signature.")
    if verify_signature is not None:
        _verify(verify_signature, key)
        return
    with open_session() as session:
        if changes is not None:
            _tell_changes(session, changes, form, out)
            return
        found = _audited(session, target, deep=deep, made_by=made_by)
    if sign is not None:
        _write(out, _indented(signing.signed(found, sign)))
    elif form != "text":
        _write(out, FORMATS[form](found))
    else:
        _tell(found, out, made_by=made_by)
    if found.breaks:
        errors.print(f"[red]not whole[/red] {counted(len(found.breaks), 'break')}; {escape(found.breaks[0])}", soft_wrap=True)
        raise typer.Exit(1)


def _audited(session: Session, target: str, *, deep: bool, made_by: bool) -> Audit:
    """The audit of a target, with what changed since and what the orchestrator knows."""
    store = session.platform.artifacts
    roots = _roots(session, target, made_by=made_by)
    found = walked(store, roots, deep=deep, since=changed_since(session.platform, session.steps))
    return crossed(found, store, session.known(), whole_store=not target)


def _roots(session: Session, target: str, *, made_by: bool) -> tuple[Input, ...]:
    if made_by and not target:
        raise CommandError("Name what was made: ASSET@PARTITION, a file, or the folder of a package.")
    path = Path(target)
    if made_by and (path.is_file() or (path / CHECKSUMS).is_file()):
        origin = origin_of(session.platform.artifacts, path)
        errors.print(escape(origin.words), soft_wrap=True)
        return origin.versions
    ref = Ref.parse(target) if target else None
    return roots_of(session.platform.artifacts, ref.asset if ref else None, (ref.partition or None) if ref else None)


def _tell(found: Audit, out: Path | None, *, made_by: bool) -> None:
    lines = list(made_by_lines(found) if made_by else audit_lines(found))
    if out is not None:
        _write(out, "\n".join(lines) + "\n")
        return
    for line in lines:
        console.print(escape(line), soft_wrap=True)
    if not made_by:
        console.print()
        print_rows(asset_rows(found), as_json=False)


def _write(out: Path | None, text: str) -> None:
    """Put a text in a file at once, or on standard output."""
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        durable.write(out, text.encode())
    except OSError as error:
        raise CommandError(f"{out} cannot be written ({error.strerror}). Name a file in a folder that is there.") from None
    console.print(f"Written: {escape(str(out))}", soft_wrap=True)


def _verify(envelope: Path, key: Path | None) -> None:
    if key is None:
        raise CommandError("--verify-signature needs --key PUB.pem, the public key of who signed.")
    try:
        content = envelope.read_bytes()
    except OSError as error:
        raise CommandError(f"{envelope} cannot be read ({error.strerror}).") from None
    told = signing.verified(content, key)
    console.print(f"The signature by {escape(key.name)} holds. {escape(str(told['predicate']['summary']))}", soft_wrap=True)
    for subject in told["subject"]:
        console.print(f"  {escape(str(subject['name']))} blake3 {escape(str(subject['digest']['blake3']))}", soft_wrap=True)


def _tell_changes(session: Session, names: tuple[str, str], form: str, out: Path | None) -> None:
    """What changed, and exit code 1 where either release is broken: then the comparison may be of something else."""
    if form not in ("text", "json"):
        raise CommandError("--changes has the formats text and json.")
    told = changes_json(*(side_of(session.platform.artifacts, name) for name in names))
    if form == "json" or out is not None:
        _write(out, _indented(told))
    else:
        _print_changes(told)
    if told["breaks"]:
        errors.print(f"[red]not whole[/red] {counted(len(told['breaks']), 'break')}; {escape(told['breaks'][0])}", soft_wrap=True)
        raise typer.Exit(1)


def _print_changes(told: dict[str, Any]) -> None:
    rows = told["changes"]
    console.print(f"{told['before']} -> {told['after']}: {counted(len(rows), 'difference')}, told where it begins.", markup=False)
    for cause, words in CAUSES.items():
        of_cause = [{name: row[name] for name in ("asset", "partition", "detail")} for row in rows if row["cause"] == cause]
        if of_cause:
            console.print(f"\n{cause}: {words}")
            print_rows(of_cause, as_json=False)
    if told["regions"]:
        console.print("\nMining in the land-cover maps, hectares:")
        print_rows([{**row, "causes": ", ".join(row["causes"])} for row in told["regions"]], as_json=False)
    if told["programs"]:
        console.print("\nMade with:")
        print_rows(told["programs"], as_json=False)
    for name, releases in told["releases"].items():
        for release, counts in releases.items():
            console.print(f"{name}: {release}: " + ", ".join(f"{number} {what}" for what, number in counts.items()), markup=False)
