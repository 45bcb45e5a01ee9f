"""A table of hostile and unfit folders: each is refused by its own code, none costs memory, none is a surprise."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_inference.base import BaseFacts, read_base
from local_inference.card import read_card
from local_inference.doctor import Diagnosis, examine, examine_all
from local_inference.ingest import RESERVED, Limits
from local_inference.intake import Rules, judge
from local_inference.places import CONFIG, SIGNATURE, SUMS, WEIGHTS, find
from local_inference.store import ChangedWhileRead, Copy, hashes
from local_inference.tensors import MAX_HEADER_BYTES
from tests.fakes.engine_tiny_model import LAYERS, Tensors, adapter_config, adapter_tensors, write_adapter, write_model

LIMITS = Limits(max_rank=16, max_bytes=200_000_000, reserved=RESERVED | {"tiny"})
PLAIN = Rules(limits=LIMITS)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
SIGNED = Rules(limits=LIMITS, trusted=(KEY.public_key(),))
MOST_GROWTH_BYTES = 50_000_000
Q0 = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseFacts:
    facts = read_base(str(write_model(tmp_path_factory.mktemp("model") / "tiny")))
    assert facts is not None
    return facts


def folder_of(root: Path, name: str = "legal", **changes: object) -> Path:
    return write_adapter(root / name, **changes)


# -- ways to be wrong; each makes a folder below `root` and returns it


def named(name: str) -> Callable[[Path], Path]:
    return lambda root: folder_of(root, name)


def configured(**changes: object) -> Callable[[Path], Path]:
    return lambda root: folder_of(root, **changes)


def text(file: str, content: str | bytes) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        folder = folder_of(root)
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return make


def only(file: str, content: bytes = b"x", config: bool = True) -> Callable[[Path], Path]:
    """No weights but in another file."""

    def make(root: Path) -> Path:
        folder = folder_of(root)
        (folder / WEIGHTS).unlink()
        if not config:
            (folder / CONFIG).unlink()
        (folder / file).write_bytes(content)
        return folder

    return make


def weights(change: Callable[[Tensors], object]) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        tensors = adapter_tensors()
        change(tensors)
        return folder_of(root, tensors=tensors)

    return make


def header(content: bytes, length: int | None = None, data: int = 0) -> Callable[[Path], Path]:
    """Weights that are a header and `data` bytes of zeros that take no place on the disk."""

    def make(root: Path) -> Path:
        folder = folder_of(root)
        head = (len(content) if length is None else length).to_bytes(8, "little") + content
        with (folder / WEIGHTS).open("wb") as file:
            file.write(head)
            file.truncate(len(head) + data)
        return folder

    return make


def tensor(shape: object, dtype: str = "F32", size: int = 0, name: str = f"{Q0}.lora_A.weight") -> bytes:
    return json.dumps({name: {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}).encode()


def linked_folder(root: Path) -> Path:
    (root / "legal").symlink_to(folder_of(root, "real"), target_is_directory=True)
    return root / "legal"


def linked(file: str, to: str | None = None) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        folder = folder_of(root)
        aside = root / "aside"
        if (folder / file).exists():
            (folder / file).rename(aside)
        (folder / file).symlink_to(to or aside)
        return folder

    return make


def pipe(file: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        folder = folder_of(root)
        (folder / file).unlink(missing_ok=True)
        os.mkfifo(folder / file)
        return folder

    return make


def folder_for_file(root: Path) -> Path:
    folder = folder_of(root)
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()
    return folder


def crowded(root: Path) -> Path:
    folder = folder_of(root)
    for index in range(1001):
        (folder / f"{index}.txt").touch()
    return folder


def huge(root: Path) -> Path:
    folder = folder_of(root)
    os.truncate(folder / WEIGHTS, LIMITS.max_bytes + 1)
    return folder


def cut(file: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        folder = folder_of(root)
        os.truncate(folder / file, (folder / file).stat().st_size - 2)
        return folder

    return make


def trailing(root: Path) -> Path:
    folder = folder_of(root)
    with (folder / WEIGHTS).open("ab") as file:
        file.write(b"more")
    return folder


def signed(
    root: Path,
    *,
    files: tuple[str, ...] = (CONFIG, WEIGHTS),
    key: Ed25519PrivateKey = KEY,
    edit: Callable[[bytes], bytes] = bytes,
    signature: bool = True,
) -> Path:
    """Write the list of sums, changed by `edit` before it is signed."""
    folder = folder_of(root)
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in files]
    sums = edit("".join(lines).encode())
    (folder / SUMS).write_bytes(sums)
    if signature:
        (folder / SIGNATURE).write_bytes(base64.b64encode(key.sign(sums)))
    return folder


def changed_after_signing(root: Path) -> Path:
    folder = signed(root)
    return folder_of(root, seed=2) if folder else folder


def card_after_signing(root: Path) -> Path:
    folder = signed(root)
    (folder / "card.yaml").write_text("system_prompt: do as I say")
    return folder


def card_gone_after_signing(root: Path) -> Path:
    """The card may be what closes the adapter to others."""
    (folder_of(root) / "card.yaml").write_text("tenants: [law]")
    folder = signed(root, files=(CONFIG, WEIGHTS, "card.yaml"))
    (folder / "card.yaml").unlink()
    return folder


def noted(metadata: object) -> Callable[[Path], Path]:
    """Write something else where the header holds notes; engines read no such file."""

    def make(root: Path) -> Path:
        folder = folder_of(root)
        data = (folder / WEIGHTS).read_bytes()
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.dumps({**json.loads(data[8:end]), "__metadata__": metadata}).encode()
        (folder / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header + data[end:])
        return folder

    return make


def _far_layer(tensors: Tensors) -> None:
    for name in [name for name in tensors if ".layers.0." in name]:
        tensors[name.replace(".0.", f".{'9' * 5000}.")] = tensors.pop(name)


def card_folder(root: Path) -> Path:
    folder = folder_of(root)
    (folder / "card.yaml").mkdir()
    return folder


def _set(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.__setitem__(name, change(tensors[name]))


def _copy_of_q0(to: str) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.update(
        {f"{to}.lora_{side}.weight": tensors[f"{Q0}.lora_{side}.weight"] for side in "AB"}
    )


def _spoil(value: float) -> Callable[[Tensors], object]:
    return lambda tensors: tensors[f"{Q0}.lora_A.weight"].__setitem__((0, 0), value)


def _zero(tensors: Tensors) -> None:
    for name in tensors:
        if "lora_B" in name:
            tensors[name][:] = 0


def _narrow(tensors: Tensors) -> None:
    for name, one in list(tensors.items()):
        tensors[name] = (one[:, :64] if "lora_A" in name else one[:64]).copy()


def _one_layer(tensors: Tensors) -> None:
    for name in list(tensors):
        if "layers.1." in name:
            del tensors[name]


LAYER = "base_model.model.model.layers"
MANY = b'{"a":' + b"1," * 8_000_000 + b"1}"
UNFIT: list[tuple[str, str, Callable[[Path], Path]]] = [
    ("a name with blanks", "bad_name", named("Le gal")),
    ("a name of 65 characters", "bad_name", named("a" * 65)),
    ("the base model's name", "reserved_name", named("tiny")),
    ("a name with a meaning", "reserved_name", named("auto")),
    ("a linked folder", "symlink", linked_folder),
    ("linked weights", "symlink", linked(WEIGHTS)),
    ("a card that leads out", "symlink", linked("README.md", "/etc/passwd")),
    ("a link to nowhere", "symlink", linked("notes.txt", "/nowhere")),
    ("a pipe for a configuration", "special_file", pipe(CONFIG)),
    ("a pipe for weights", "special_file", pipe(WEIGHTS)),
    ("a pipe beside them", "special_file", pipe("log")),
    ("a folder for weights", "special_file", folder_for_file),
    ("a thousand files", "too_many_files", crowded),
    ("weights over the limit", "too_large", huge),
    ("a configuration over the limit", "too_large", text(CONFIG, b'{"a": "' + b"x" * 2_000_000 + b'"}')),
    ("a pickle", "pickle_weights", only("adapter_model.bin")),
    ("a pickle by another ending", "pickle_weights", only("adapter.pt")),
    ("weights in parts", "sharded", only("adapter_model-00001-of-00002.safetensors")),
    ("llama.cpp's format", "gguf", only("legal.gguf")),
    ("a whole model", "full_model", only("model.safetensors", config=False)),
    ("an archive", "archive", only("legal.zip", config=False)),
    ("a Git LFS pointer", "lfs_pointer", text(WEIGHTS, "version https://git-lfs.github.com/spec/v1\nsize 2\n")),
    ("a page of HTML for weights", "bad_safetensors", text(WEIGHTS, "<!DOCTYPE html>" + "x" * 99)),
    ("a packed file for weights", "bad_safetensors", text(WEIGHTS, b"PK\x03\x04" + b"\xff" * 99)),
    ("bytes after the end", "bad_safetensors", trailing),
    ("a header that is no JSON", "bad_safetensors", header(b"nope" * 4)),
    ("a header nested too deeply", "bad_safetensors", header(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")),
    ("overlapping tensors", "bad_safetensors", header(tensor([1], size=4)[:-1] + b',"x":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}', data=6)),
    ("a negative shape", "bad_safetensors", header(tensor([-1, -1], size=4), data=4)),
    ("a shape beyond all memory", "bad_safetensors", header(tensor([10**9, 10**9]))),
    ("a number too long for any shape", "bad_safetensors", header(tensor([10**400]))),
    ("a header over the limit", "header_too_large", header(b"{}", length=MAX_HEADER_BYTES + 1)),
    ("a header of tensors without end", "too_many_tensors", header(b"{" + b",".join(b'"%d":{"dtype":"F32","shape":[],"data_offsets":[0,0]}' % n for n in range(120_000)) + b"}")),
    ("a header of numbers without end", "too_many_tensors", header(MANY[: MAX_HEADER_BYTES - 2])),
    ("no tensors", "no_tensors", weights(dict.clear)),
    ("half a pair", "unpaired_tensor", weights(lambda tensors: tensors.pop(f"{Q0}.lora_B.weight"))),
    ("a tensor of something else", "bad_tensor_name", weights(lambda tensors: tensors.update({"x.weight": np.ones(4, np.float32)}))),
    ("whole numbers", "bad_dtype", weights(_set(f"{Q0}.lora_A.weight", lambda one: one.astype(np.int32)))),
    ("NaN", "not_finite", weights(_spoil(np.nan))),
    ("infinity", "not_finite", weights(_spoil(np.inf))),
    ("an untrained adapter", "no_effect", weights(_zero)),
    ("an alpha of 0", "no_effect", configured(lora_alpha=0)),
    ("a factor that is no matrix", "shape_mismatch", weights(_set(f"{Q0}.lora_A.weight", lambda one: one.reshape(-1)))),
    ("a smaller model's adapter", "shape_mismatch", weights(_narrow)),
    ("a deeper model's adapter", "layer_out_of_range", weights(_copy_of_q0(f"{LAYER}.{LAYERS}.self_attn.q_proj"))),
    ("a layer without end", "layer_out_of_range", weights(_copy_of_q0(f"{LAYER}.{'9' * 30}.self_attn.q_proj"))),
    ("another architecture's adapter", "unknown_module", weights(_copy_of_q0(f"{LAYER}.0.attn.c_attn"))),
    ("half of the layers", "incomplete_layers", weights(_one_layer)),
    ("a rank over the served one", "rank_too_high", configured(r=64)),
    ("a pattern's rank over the served one", "rank_too_high", configured(rank_pattern={"q_proj": 64})),
    ("another rank than it says", "rank_mismatch", configured(r=8)),
    ("a configuration that is no object", "bad_config", text(CONFIG, "[]")),
    ("a configuration that is no JSON", "bad_config", text(CONFIG, "r: 4\nlora_alpha: 8\ntarget_modules: [q_proj]\n")),
    ("a configuration nested too deeply", "bad_config", text(CONFIG, '{"a":' + "[" * 100_000 + "]" * 100_000 + "}")),
    ("a configuration of lists without end", "bad_config", text(CONFIG, '{"a":[' + "[]," * 100_000 + "[]]}")),
    ("a rank that is a word", "bad_config", configured(r="4")),
    ("an alpha that is no number", "bad_config", configured(lora_alpha=float("nan"))),
    ("an alpha that no float can hold", "bad_config", configured(lora_alpha=10**400)),
    ("a pattern's alpha that no float can hold", "bad_config", configured(alpha_pattern={"q_proj": 10**400})),
    ("a configuration behind a mark of its byte order", "bad_config", text(CONFIG, '\ufeff{"peft_type": "LORA", "r": 4}')),
    ("a configuration in UTF-16", "bad_config", text(CONFIG, '{"r": 4}'.encode("utf-16"))),
    ("no targets", "bad_config", configured(target_modules=None)),
    ("an expression for a rank", "bad_config", configured(rank_pattern={"(a|aa)+$": 4})),
    ("an expression for an alpha", "bad_config", configured(alpha_pattern={"(a|aa)+$": 4})),
    ("another PEFT method", "not_lora", configured(peft_type="IA3")),
    ("AdaLoRA", "not_lora", configured(peft_type="ADALORA")),
    ("DoRA", "dora", configured(use_dora=True)),
    ("DoRA in the weights alone", "dora", weights(lambda tensors: tensors.update({f"{Q0}.lora_magnitude_vector": np.ones(4, np.float32)}))),
    ("LoRA with biases", "lora_bias", configured(lora_bias=True)),
    ("trained biases", "bias", configured(bias="all")),
    ("whole modules", "modules_to_save", configured(modules_to_save=["embed_tokens"])),
    ("whole modules in lists of lists", "modules_to_save", configured(modules_to_save=[["classifier"]])),
    ("PiSSA", "init_lora_weights", configured(init_lora_weights="pissa")),
    ("LoftQ", "init_lora_weights", configured(init_lora_weights="loftq")),
    ("Activated LoRA", "alora", configured(alora_invocation_tokens=[1])),
    ("replicated layers", "layer_replication", configured(layer_replication=[[0, 1]])),
    ("BD-LoRA", "bdlora", configured(use_bdlora={"nblocks": 2})),
    ("QALoRA", "qalora", configured(use_qalora=True)),
    ("half a configuration", "unfinished", cut(CONFIG)),
    ("half the weights", "unfinished", cut(WEIGHTS)),
    ("a list of sums that is none", "bad_sums", text(SUMS, "no sums at all\n")),
    ("a card that is a folder", "special_file", card_folder),
    ("a layer whose number has 5,000 digits", "unknown_module", weights(_far_layer)),
    ("a header whose notes are no texts", "bad_safetensors", noted({"a": 1})),
    ("a header whose notes are a list", "bad_safetensors", noted([])),
    ("a listed card that isn't there", "hash_mismatch", text(SUMS, f"{'0' * 64}  card.yaml\n")),
    ("a sum of another file", "hash_mismatch", text(SUMS, f"{'0' * 64}  {WEIGHTS}\n")),
]  # fmt: skip
UNSIGNED: list[tuple[str, str, Callable[[Path], Path]]] = [
    ("nothing signed", "unsigned", configured()),
    ("a list without a signature", "unsigned", lambda root: signed(root, signature=False)),
    ("a stranger's signature", "bad_signature", lambda root: signed(root, key=Ed25519PrivateKey.generate())),
    ("weights outside the list", "unsigned_file", lambda root: signed(root, files=(CONFIG,))),
    ("weights changed after signing", "hash_mismatch", changed_after_signing),
    ("a card added after signing", "unsigned_file", card_after_signing),
    ("a card taken away after signing", "hash_mismatch", card_gone_after_signing),
]


def peak_growth_bytes(work: Callable[[], Diagnosis]) -> tuple[Diagnosis, int]:
    """Return what the work came to, and by how much memory grew at its worst moment."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_bytes("VmRSS")
    found = work()
    return found, _status_bytes("VmHWM") - before


def _status_bytes(field: str) -> int:
    match = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) * 1024


@pytest.mark.parametrize(("code", "make"), [pytest.param(code, make, id=what) for what, code, make in UNFIT])
def test_an_unfit_folder_is_refused_by_its_own_code_and_costs_no_memory(
    tmp_path: Path, base: BaseFacts, code: str, make: Callable[[Path], Path]
) -> None:
    folder = make(tmp_path)
    found, growth_bytes = peak_growth_bytes(lambda: examine(folder.name, folder, base, PLAIN))
    assert (found.accepted, found.reason, bool(found.message), bool(found.fix)) == (False, code, True, True)
    assert growth_bytes < MOST_GROWTH_BYTES


@pytest.mark.parametrize(("code", "make"), [pytest.param(code, make, id=what) for what, code, make in UNSIGNED])
def test_where_keys_are_trusted_only_what_they_signed_is_taken(
    tmp_path: Path, base: BaseFacts, code: str, make: Callable[[Path], Path]
) -> None:
    folder = make(tmp_path)
    assert examine(folder.name, folder, base, SIGNED).reason == code


def test_a_signed_list_that_comes_after_the_files_were_hashed_vouches_for_nothing(
    tmp_path: Path, base: BaseFacts
) -> None:
    folder = folder_of(tmp_path, seed=2)
    sha256, sums = hashes(folder)
    signed_folder = signed(tmp_path / "other")
    for name in (SUMS, SIGNATURE):
        (signed_folder / name).rename(folder / name)
    with pytest.raises(ChangedWhileRead):
        judge(folder, "legal", Copy(sha256, folder, sums), base, SIGNED)


def test_an_adapter_that_a_trusted_key_signed_is_taken(tmp_path: Path, base: BaseFacts) -> None:
    assert examine("legal", signed(tmp_path), base, SIGNED).accepted


def test_large_weights_are_read_in_pieces(tmp_path: Path, base: BaseFacts) -> None:
    rows = 200_000
    names = [f"{Q0}.lora_{side}.weight" for side in "AB"]
    spans = [(4, rows), (rows, 4)]
    entries = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [index * 16 * rows, (index + 1) * 16 * rows]}
        for index, (name, shape) in enumerate(zip(names, spans, strict=True))
    }
    folder = header(json.dumps(entries).encode(), data=32 * rows)(tmp_path)
    wide = BaseFacts("wide", {"model.layers.0.self_attn.q_proj": (rows, rows)}, 1)
    found, growth_bytes = peak_growth_bytes(lambda: examine("legal", folder, wide, PLAIN))
    assert found.reason == "no_effect"
    assert growth_bytes < MOST_GROWTH_BYTES


@pytest.mark.parametrize(
    "card",
    ["a," * 120_000, "- a\n" * 60_000, "[" * 250_000, "examples:\n" + "  - x\n" * 40_000, "a: " + "b: " * 80_000],
)
def test_a_card_that_is_a_bomb_is_ignored_with_a_warning(tmp_path: Path, base: BaseFacts, card: str) -> None:
    folder = folder_of(tmp_path, card=card)
    found, growth_bytes = peak_growth_bytes(lambda: examine("legal", folder, base, PLAIN))
    assert found.accepted
    assert "card.yaml: ignored" in (found.message or "")
    assert growth_bytes < MOST_GROWTH_BYTES


@pytest.mark.parametrize("card", ["tenants: {a: 1}", "tenants: [a\n", "tenants: 3", "x: [\ntenants: [a]"])
def test_a_broken_list_of_tenants_opens_the_adapter_to_nobody(card: str) -> None:
    reading = read_card({"card.yaml": card.encode()}.get)
    assert reading.warnings
    assert not reading.card.admits("a")
    assert not reading.card.admits("default")
    assert not reading.card.admits("")


def test_a_strangers_names_command_no_terminal_and_fill_no_list(tmp_path: Path, base: BaseFacts) -> None:
    folder = folder_of(tmp_path, **{"\x1b[2J\nERROR": True, "x" * 500_000: 1})
    (folder / "card.yaml").write_text('pin: "\\e[31m"')
    found = examine("legal", folder, base, PLAIN)
    assert found.accepted
    assert found.message is not None
    assert found.message.isprintable()
    assert len(found.message) < 2000
    refused = examine("a\nb", folder_of(tmp_path, "a\nb", peft_type="\x1b" * 9000), base, PLAIN)
    assert (refused.name + (refused.message or "")).isprintable()
    assert len(refused.message or "") < 2000


@pytest.mark.parametrize("key", ["tenant", "Tenants", "TENANT", "tenats", "tennants", "tenants "])
@pytest.mark.parametrize("file", ["card.yaml", "README.md"])
def test_misspelt_tenants_open_the_adapter_to_nobody(key: str, file: str) -> None:
    text = f"'{key}': [law]\ndescription: one\n"
    data = (text if file == "card.yaml" else f"---\n{text}---\n").encode()
    reading = read_card(lambda name: data if name == file else None)
    assert reading.card.tenants == ("",)
    assert reading.card.description == "one"
    assert any("did you mean 'tenants'" in one for one in reading.warnings)


def test_a_misspelt_field_of_a_card_is_warned_of_and_others_front_matter_is_left_alone() -> None:
    card, readme = b"exmaples: [a]\n", b"---\nexmaples: [a]\nlibrary_name: peft\ntags: [lora]\ntenancy: x\n---\n"
    reading = read_card({"card.yaml": card, "README.md": readme}.get)
    assert reading.warnings == ("card.yaml: unknown field 'exmaples'; did you mean 'examples'?",)
    assert reading.card.tenants == ()


def test_what_is_wrong_in_a_card_is_told_once_and_says_what_follows() -> None:
    wrong = b"tenants: [1, 2]\npin: perhaps\n"
    warnings = read_card(lambda name: wrong if name == "card.yaml" else None).warnings
    assert [one.partition(":")[0] for one in warnings] == ["card"] * 2
    assert sorted("nobody may use it" in one for one in warnings) == [False, True]
    unreadable = read_card(lambda name: b"tenants: &a [x, *a]" if name == "card.yaml" else None)
    assert unreadable.card.tenants == ("",)
    assert any("aliases" in one for one in unreadable.warnings)
    assert any("nobody may use it" in one for one in unreadable.warnings)


def test_sub_folders_are_adapters_of_their_own_and_checkpoints_are_not(tmp_path: Path, base: BaseFacts) -> None:
    for name in ("model/german", "model/checkpoint-500", "pack/a", "pack/b"):
        write_adapter(tmp_path / name)
    write_adapter(tmp_path / "model")
    write_adapter(tmp_path / "model.german")
    assert list(find(tmp_path)) == ["model", "model.german", "model/german", "pack.a", "pack.b"]
    assert [found.name for found in examine_all(tmp_path / "pack", base, PLAIN)] == ["pack.a", "pack.b"]
    assert [found.reason for found in examine_all(tmp_path / "model", base, PLAIN)] == [None, "name_taken"]


def test_targets_without_weights_and_idle_modules_are_warned_of(tmp_path: Path, base: BaseFacts) -> None:
    tensors = adapter_tensors()
    tensors[f"{Q0}.lora_B.weight"][:] = 0
    targets = [*adapter_config()["target_modules"], "up_proj"]  # type: ignore[misc]
    found = examine("legal", folder_of(tmp_path, tensors=tensors, target_modules=targets), base, PLAIN)
    assert found.accepted
    assert "names 'up_proj', but no tensor belongs to it" in (found.message or "")
    assert "1 of 6 modules change nothing" in (found.message or "")


def test_layers_that_were_left_out_on_purpose_are_fine(tmp_path: Path, base: BaseFacts) -> None:
    tensors = adapter_tensors()
    _one_layer(tensors)
    assert examine("legal", folder_of(tmp_path, tensors=tensors, layers_to_transform=[0]), base, PLAIN).accepted
