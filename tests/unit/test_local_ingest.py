"""Each way in which an adapter can be wrong, and the reason code it gets."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from local_inference.base import read_base
from local_inference.errors import Rejected
from local_inference.fit import Manifest, check
from local_inference.ingest import Limits, check_folder, check_name, missing
from local_inference.places import CONFIG, WEIGHTS
from local_inference.store import hashes
from local_inference.tensors import BadFile, parse_header, value_facts
from tests.fakes.engine_tiny_model import LAYERS, adapter_config, adapter_tensors, write_adapter, write_model

LIMITS = Limits(max_rank=16, max_bytes=10_000_000)
Q0 = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


def judge(folder: Path, model: Path | None) -> Manifest:
    check_folder(folder, LIMITS)
    return check(folder, read_base(str(model)) if model else None, LIMITS)


def reason(folder: Path, model: Path) -> str:
    with pytest.raises(Rejected) as caught:
        judge(folder, model)
    assert caught.value.message
    assert caught.value.fix
    return caught.value.reason


def edit(folder: Path, change: Callable[[dict[str, object]], object]) -> Path:
    config = json.loads((folder / CONFIG).read_text())
    change(config)
    (folder / CONFIG).write_text(json.dumps(config))
    return folder


def test_a_good_adapter_passes_without_warnings(tmp_path: Path, model: Path) -> None:
    manifest = judge(write_adapter(tmp_path / "good"), model)
    assert manifest.rank == 4
    assert manifest.size_bytes == (tmp_path / "good" / WEIGHTS).stat().st_size
    assert manifest.warnings == ()


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("not_lora", {"peft_type": "IA3"}),
        ("dora", {"use_dora": True}),
        ("lora_bias", {"lora_bias": True}),
        ("bias", {"bias": "lora_only"}),
        ("modules_to_save", {"modules_to_save": ["lm_head"]}),
        ("init_lora_weights", {"init_lora_weights": "pissa_niter_16"}),
        ("init_lora_weights", {"init_lora_weights": "olora"}),
        ("alora", {"alora_invocation_tokens": [1, 2]}),
        ("layer_replication", {"layer_replication": [[0, 1]]}),
        ("bdlora", {"use_bdlora": {"x": 1}}),
        ("qalora", {"use_qalora": True}),
        ("rank_too_high", {"r": 64}),
        ("rank_too_high", {"rank_pattern": {"q_proj": 64}}),
        ("rank_mismatch", {"r": 8}),
        ("rank_mismatch", {"rank_pattern": {"q_proj": 2}}),
        ("bad_config", {"r": "4"}),
        ("bad_config", {"r": True}),
        ("bad_config", {"r": 0}),
        ("bad_config", {"lora_alpha": None}),
        ("bad_config", {"target_modules": []}),
        ("bad_config", {"rank_pattern": {"(": 4}}),
        ("bad_config", {"rank_pattern": ["q_proj"]}),
    ],
)
def test_a_configuration_that_cannot_be_served_is_refused_by_name(
    tmp_path: Path, model: Path, code: str, changes: dict[str, object]
) -> None:
    assert reason(write_adapter(tmp_path / "bad", **changes), model) == code


@pytest.mark.parametrize(("rank", "fix"), [(24, "max_lora_rank: 32`"), (600, "at most 512"), (10**400, "at most 512")])
def test_a_rank_that_is_too_high_is_answered_with_a_setting_that_the_engine_takes(
    tmp_path: Path, model: Path, rank: int, fix: str
) -> None:
    with pytest.raises(Rejected) as caught:
        judge(write_adapter(tmp_path / "high", r=rank), model)
    assert fix in caught.value.fix
    assert ("max_lora_rank" in caught.value.fix) == (rank < 512)
    assert len(caught.value.message) < 200


def test_a_list_instead_of_a_configuration_is_refused(tmp_path: Path, model: Path) -> None:
    folder = write_adapter(tmp_path / "bad")
    (folder / CONFIG).write_text("[]")
    assert reason(folder, model) == "bad_config"


def test_options_that_the_engine_ignores_are_warned_of(tmp_path: Path, model: Path) -> None:
    manifest = judge(write_adapter(tmp_path / "odd", trainable_token_indices=[1], kasa_config=None), model)
    assert manifest.warnings == ("adapter_config.json: `trainable_token_indices` is ignored by the engine",)


def test_another_base_name_is_a_warning_as_long_as_the_shapes_fit(tmp_path: Path, model: Path) -> None:
    manifest = judge(write_adapter(tmp_path / "odd", base_model_name_or_path="someone/else"), model)
    assert len(manifest.warnings) == 1
    assert "else" in manifest.warnings[0]


def test_the_hosts_own_name_for_the_base_is_fine(tmp_path: Path, model: Path) -> None:
    facts = read_base(str(model))
    assert facts is not None
    folder = write_adapter(tmp_path / "good", base_model_name_or_path="sona-demo")
    assert check(folder, msgspec.structs.replace(facts, alias="sona-demo"), LIMITS).warnings == ()


def test_without_the_base_models_files_shapes_go_unchecked_with_a_warning(tmp_path: Path) -> None:
    assert "could not be compared" in judge(write_adapter(tmp_path / "good"), None).warnings[0]


def test_a_matching_rank_pattern_passes(tmp_path: Path, model: Path) -> None:
    tensors = adapter_tensors(rank=4)
    for layer in range(LAYERS):
        prefix = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{prefix}.lora_A.weight"] = tensors[f"{prefix}.lora_A.weight"][:2].copy()
        tensors[f"{prefix}.lora_B.weight"] = tensors[f"{prefix}.lora_B.weight"][:, :2].copy()
    assert judge(write_adapter(tmp_path / "good", tensors=tensors, rank_pattern={"q_proj": 2}), model).rank == 4


def _smaller(tensors: dict[str, np.ndarray]) -> None:
    tensors[f"{Q0}.lora_A.weight"] = tensors[f"{Q0}.lora_A.weight"][:, :64].copy()


def _beyond(tensors: dict[str, np.ndarray]) -> None:
    for side in "AB":
        tensors[f"base_model.model.model.layers.{LAYERS}.self_attn.q_proj.lora_{side}.weight"] = tensors[
            f"{Q0}.lora_{side}.weight"
        ]


def _unknown(tensors: dict[str, np.ndarray]) -> None:
    for side in "AB":
        tensors[f"base_model.model.model.layers.0.self_attn.c_attn.lora_{side}.weight"] = tensors[
            f"{Q0}.lora_{side}.weight"
        ]


def _nan(tensors: dict[str, np.ndarray]) -> None:
    tensors[f"{Q0}.lora_A.weight"][0, 0] = np.nan


def _infinite(tensors: dict[str, np.ndarray]) -> None:
    tensors[f"{Q0}.lora_B.weight"][0, 0] = np.inf


def _integers(tensors: dict[str, np.ndarray]) -> None:
    tensors[f"{Q0}.lora_A.weight"] = tensors[f"{Q0}.lora_A.weight"].astype(np.int32)


def _flat(tensors: dict[str, np.ndarray]) -> None:
    tensors[f"{Q0}.lora_A.weight"] = tensors[f"{Q0}.lora_A.weight"].reshape(-1)


def _no_effect(tensors: dict[str, np.ndarray]) -> None:
    for name in tensors:
        if "lora_B" in name:
            tensors[name][:] = -0.0


def _other_names(tensors: dict[str, np.ndarray]) -> None:
    tensors[f"{Q0}.lora_A.default.weight"] = tensors.pop(f"{Q0}.lora_A.weight")


@pytest.mark.parametrize(
    ("code", "damage"),
    [
        ("shape_mismatch", _smaller),
        ("shape_mismatch", _flat),
        ("layer_out_of_range", _beyond),
        ("unknown_module", _unknown),
        ("not_finite", _nan),
        ("not_finite", _infinite),
        ("bad_dtype", _integers),
        ("no_effect", _no_effect),
        ("no_tensors", dict.clear),
        ("unpaired_tensor", lambda tensors: tensors.pop(f"{Q0}.lora_B.weight")),
        ("bad_tensor_name", _other_names),
        ("dora", lambda tensors: tensors.update({f"{Q0}.lora_magnitude_vector": np.ones(4, np.float32)})),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, model: Path, code: str, damage: Callable[[dict[str, np.ndarray]], object]
) -> None:
    tensors = adapter_tensors()
    damage(tensors)
    assert reason(write_adapter(tmp_path / "bad", tensors=tensors), model) == code


def test_nan_is_found_in_bfloat16(tmp_path: Path, model: Path) -> None:
    folder = write_adapter(tmp_path / "bad")
    rewrite_as_bf16(folder / WEIGHTS, spoil=False)
    assert judge(folder, model).rank == 4
    rewrite_as_bf16(folder / WEIGHTS, spoil=True)
    assert reason(folder, model) == "not_finite"


def rewrite_as_bf16(path: Path, spoil: bool) -> None:
    header, data, offset = {}, b"", 0
    for name, tensor in adapter_tensors().items():
        bits = (tensor.view(np.uint32) >> 16).astype("<u2")
        if spoil:
            bits.flat[-1] = 0x7FC0
        header[name] = {"dtype": "BF16", "shape": tensor.shape, "data_offsets": [offset, offset + bits.nbytes]}
        data += bits.tobytes()
        offset += bits.nbytes
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)


def test_an_adapter_for_a_smaller_model_is_refused(tmp_path: Path, model: Path) -> None:
    tensors = {name: (t[:, :64] if "lora_A" in name else t[:64]).copy() for name, t in adapter_tensors().items()}
    assert reason(write_adapter(tmp_path / "bad", tensors=tensors), model) == "shape_mismatch"


def test_pickles_are_refused_with_the_way_to_convert_them(tmp_path: Path, model: Path) -> None:
    folder = write_adapter(tmp_path / "bad")
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")
    assert missing(folder) is None
    assert reason(folder, model) == "pickle_weights"


def test_a_trainers_other_pickles_beside_good_weights_do_no_harm(tmp_path: Path, model: Path) -> None:
    folder = write_adapter(tmp_path / "good")
    (folder / "training_args.bin").write_bytes(b"\x80\x04.")
    assert judge(folder, model).rank == 4


def test_links_and_special_files_are_refused(tmp_path: Path, model: Path) -> None:
    folder = write_adapter(tmp_path / "linked")
    (folder / WEIGHTS).rename(tmp_path / "elsewhere")
    (folder / WEIGHTS).symlink_to(tmp_path / "elsewhere")
    assert reason(folder, model) == "symlink"
    (tmp_path / "alias").symlink_to(write_adapter(tmp_path / "real"), target_is_directory=True)
    assert reason(tmp_path / "alias", model) == "symlink"
    write_adapter(tmp_path / "others" / "german")
    (tmp_path / "legal").symlink_to(tmp_path / "others", target_is_directory=True)
    with pytest.raises(Rejected) as refused:  # put there after it was looked for
        hashes(tmp_path / "legal" / "german")
    assert refused.value.reason == "symlink"
    os.mkfifo(tmp_path / "real" / "pipe")
    assert reason(tmp_path / "real", model) == "special_file"


def test_limits_of_size_and_number_hold(tmp_path: Path, model: Path) -> None:
    folder = write_adapter(tmp_path / "big")
    with pytest.raises(Rejected, match="at most 100") as caught:
        check_folder(folder, Limits(max_rank=16, max_bytes=100))
    assert caught.value.reason == "too_large"
    for index in range(1001):
        (folder / str(index)).touch()
    assert reason(folder, model) == "too_many_files"


def test_a_git_lfs_pointer_is_recognised(tmp_path: Path, model: Path) -> None:
    folder = write_adapter(tmp_path / "bad")
    (folder / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    assert missing(folder) is None
    assert reason(folder, model) == "lfs_pointer"


@pytest.mark.parametrize("content", [b"\xff" * 64, b"\x04\0\0\0\0\0\0\0nope" + bytes(8), b"\x02\0\0\0\0\0\0\0{}rest"])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, model: Path, content: bytes) -> None:
    folder = write_adapter(tmp_path / "bad")
    (folder / WEIGHTS).write_bytes(content)
    assert reason(folder, model) == "bad_safetensors"


@pytest.mark.parametrize("offsets", [[[0, 4], [2, 6]], [[0, 4], [8, 12]], [[0, 4], [4, 2]], [[0, 8], [8, 12]]])
def test_offsets_that_overlap_leave_holes_or_contradict_shapes_are_refused(offsets: list[list[int]]) -> None:
    header = {str(i): {"dtype": "F32", "shape": [1], "data_offsets": pair} for i, pair in enumerate(offsets)}
    with pytest.raises(BadFile):
        parse_header(json.dumps(header).encode())


def test_values_of_other_types_are_not_read() -> None:
    header = parse_header(b'{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}')
    with pytest.raises(BadFile):
        value_facts(io.BytesIO(b"\0"), header.tensors["a"])


@pytest.mark.parametrize("cut", [0, 4, 8, 100, 5000, -1])
def test_a_truncated_copy_is_waited_for(tmp_path: Path, cut: int) -> None:
    folder = write_adapter(tmp_path / "slow")
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:cut])
    assert "waiting for the rest" in (missing(folder) or "")
    (folder / WEIGHTS).write_bytes(whole)
    assert missing(folder) is None


def test_a_copy_is_waited_for_file_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "slow"
    folder.mkdir()
    assert missing(folder) == f"waiting for {CONFIG}"
    (folder / CONFIG).write_text('{"r": 4')
    assert "waiting for the rest" in (missing(folder) or "")
    (folder / CONFIG).write_text(json.dumps(adapter_config()))
    (folder / "model.safetensors").touch()
    assert "rename it" in (missing(folder) or "")


@pytest.mark.parametrize("name", ["legal", "a", "0.9_b-c", "a" * 64])
def test_plain_names_are_allowed(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["Legal", "-a", "a b", "a@b", "a" * 65, "é", "a\n"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_name(name)
    assert caught.value.reason == "bad_name"


@pytest.mark.parametrize(
    ("name", "code"),
    [("base", "reserved_name"), ("local", "reserved_name"), ("auto", "reserved_name"), ("a/b", "name_taken")],
)
def test_names_that_mean_something_else_are_refused(name: str, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_name(name)
    assert caught.value.reason == code


def test_shapes_come_from_the_configuration_where_weights_do_not_say(tmp_path: Path, model: Path) -> None:
    (tmp_path / "config.json").write_bytes((model / "config.json").read_bytes())
    derived, read = read_base(str(tmp_path)), read_base(str(model))
    assert derived is not None
    assert read is not None
    assert derived.shapes.items() <= read.shapes.items()
    assert derived.layers == read.layers == LAYERS


def test_shapes_are_found_behind_other_wrappers(model: Path) -> None:
    base = read_base(str(model))
    assert base is not None
    assert base.shape("model.language_model.layers.1.mlp.down_proj") == (128, 256)
    assert base.shape("model.layers.9.mlp.down_proj") is None
