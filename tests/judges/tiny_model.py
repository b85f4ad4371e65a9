"""A llama model of random weights in a file of a few hundred kilobytes: `python tiny_model.py FILE`.

It talks nonsense, and always the same. Run by `tests.judges.llama` in an environment that has `gguf` and numpy; both
are too large to be among Midstream's own dependencies. Format: GGUF, as llama.cpp's `docs` describe it.
"""

# mypy: disable-error-code="import-not-found, no-untyped-call, unused-ignore"
from __future__ import annotations

import sys
from string import ascii_letters, digits

import gguf
import numpy

LAYERS, WIDTH, HEADS, FEED_FORWARD, CONTEXT = 2, 64, 4, 128, 65_536
WORDS = [
    *("stream", "token", "cursor", "lease", "worker", "viewer", "attempt", "seal"),
    *("queue", "log", "event", "part", "delta", "usage", "answer", "model"),
]
RARE = ["\u65e5\u672c", "\u00e9", "\U0001f600", "\u2028", "\u05e9", "\n", '"', "\\", "\t"]
PLAIN, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


def vocabulary() -> tuple[list[str], list[float], list[int]]:
    """Pieces, scores and types: specials, a byte each for what has no piece, words, letters, rare characters."""
    specials = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    octets = [(f"<0x{octet:02X}>", 0.0, BYTE) for octet in range(256)]
    # U+2581 stands for a space in SentencePiece.
    spaced = ["\u2581" + word for word in WORDS]
    pieces = ["\u2581", *spaced, *WORDS, *ascii_letters, *digits, *".,:;!?-()", *RARE]
    plain = [(piece, -float(rank), PLAIN) for rank, piece in enumerate(dict.fromkeys(pieces))]
    names, scores, types = zip(*specials, *octets, *plain, strict=True)
    return list(names), list(scores), list(types)


def write(path: str) -> None:
    """Write the model to `path`."""
    random = numpy.random.default_rng(20_260_131)
    names, scores, types = vocabulary()
    spoken = numpy.array([kind == PLAIN for kind in types], dtype=numpy.float32)

    def weights(rows: int, columns: int, scale: float) -> numpy.ndarray:
        return (random.standard_normal((rows, columns)) * scale).astype(numpy.float16)

    model = gguf.GGUFWriter(path, "llama")
    model.add_name("tiny random")
    model.add_context_length(CONTEXT)
    model.add_embedding_length(WIDTH)
    model.add_block_count(LAYERS)
    model.add_feed_forward_length(FEED_FORWARD)
    model.add_head_count(HEADS)
    model.add_head_count_kv(HEADS)
    model.add_rope_dimension_count(WIDTH // HEADS)
    model.add_layer_norm_rms_eps(1e-5)
    model.add_vocab_size(len(names))
    model.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    model.add_tokenizer_model("llama")
    model.add_token_list(names)
    model.add_token_scores(scores)
    model.add_token_types(types)
    model.add_unk_token_id(0)
    model.add_bos_token_id(1)
    model.add_eos_token_id(2)
    model.add_chat_template("{% for message in messages %}{{ message.content }} {% endfor %}")

    model.add_tensor("token_embd.weight", weights(len(names), WIDTH, 1.0))
    # Without weights of their own, the specials and the lone bytes are never the likely next piece.
    model.add_tensor("output.weight", weights(len(names), WIDTH, 0.5) * spoken[:, None].astype(numpy.float16))
    model.add_tensor("output_norm.weight", numpy.ones(WIDTH, dtype=numpy.float32))
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for norm in ("attn_norm", "ffn_norm"):
            model.add_tensor(f"{block}.{norm}.weight", numpy.ones(WIDTH, dtype=numpy.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            model.add_tensor(f"{block}.{name}.weight", weights(WIDTH, WIDTH, 0.2))
        for name in ("ffn_gate", "ffn_up"):
            model.add_tensor(f"{block}.{name}.weight", weights(FEED_FORWARD, WIDTH, 0.2))
        model.add_tensor(f"{block}.ffn_down.weight", weights(WIDTH, FEED_FORWARD, 0.2))
    model.write_header_to_file()
    model.write_kv_data_to_file()
    model.write_tensors_to_file()
    model.close()


if __name__ == "__main__":
    write(sys.argv[1])
