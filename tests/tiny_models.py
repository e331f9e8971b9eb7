"""Tiny random transformers models of many families, and what goes into them.

Their weights are large enough that attention is far from uniform.
"""

import torch
import transformers

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 99,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
DISTILLED = {
    "dim": 32,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 48,
    "vocab_size": 99,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
GPT2 = {
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "vocab_size": 99,
    "n_positions": 64,
    "initializer_range": 0.3,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
OPT = {"ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.3}
BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "init_std": 0.3,
}
T5 = {
    "d_model": 32,
    "d_kv": 8,
    "num_layers": 2,
    "num_heads": 4,
    "d_ff": 48,
    "vocab_size": 99,
}
PIXELS = {"image_size": 12, "patch_size": 4}
WAVES = {
    "conv_dim": (16, 16),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}
GROUPED = {**SIZES, "num_key_value_heads": 2}

CONFIGS = {
    "bert": lambda: transformers.BertConfig(**SIZES),
    "roberta": lambda: transformers.RobertaConfig(**SIZES),
    "electra": lambda: transformers.ElectraConfig(**SIZES, embedding_size=16),
    "albert": lambda: transformers.AlbertConfig(**SIZES, embedding_size=16),
    "distilbert": lambda: transformers.DistilBertConfig(**DISTILLED),
    "modernbert": lambda: transformers.ModernBertConfig(
        **SIZES, local_attention=6, cls_token_id=1, sep_token_id=2
    ),
    "gpt2": lambda: transformers.GPT2Config(**GPT2),
    "llama": lambda: transformers.LlamaConfig(**GROUPED),
    "mistral": lambda: transformers.MistralConfig(**GROUPED, sliding_window=5),
    "gemma2": lambda: transformers.Gemma2Config(
        **GROUPED, head_dim=8, sliding_window=5, attn_logit_softcapping=2.0
    ),
    "opt": lambda: transformers.OPTConfig(**SIZES, **OPT),
    "bart": lambda: transformers.BartConfig(**SIZES, **BART),
    "t5": lambda: transformers.T5Config(**T5),
    "vit": lambda: transformers.ViTConfig(**SIZES, **PIXELS),
    "clip": lambda: transformers.CLIPConfig(
        text_config=SIZES, vision_config={**SIZES, **PIXELS}, projection_dim=16
    ),
    "clip_vision": lambda: transformers.CLIPVisionConfig(**SIZES, **PIXELS, initializer_factor=2.5),
    "wav2vec2": lambda: transformers.Wav2Vec2Config(**SIZES, **WAVES),
}


def make(name, implementation="hopfield", kind=transformers.AutoModel, **more):
    """A model of that family, the same each time."""
    torch.manual_seed(1)
    config = CONFIGS[name]()
    for key, value in more.items():
        setattr(config, key, value)
    return kind.from_config(config, attn_implementation=implementation).eval()


def text(padded=True, left=False):
    mask = torch.ones(2, 12, dtype=torch.long)
    if padded:
        mask[1, 8:] = 0
    ids = torch.randint(3, 99, mask.shape)
    return {"input_ids": ids, "attention_mask": mask.flip(1) if left else mask}


def inputs(name, padded=True):
    """What goes into a model of that family."""
    if name == "vit":
        return torch.randn(2, 3, 12, 12)
    if name == "clip_vision":
        return {"pixel_values": torch.randn(2, 3, 12, 12)}
    if name == "clip":
        return {**text(padded), "pixel_values": torch.randn(2, 3, 12, 12)}
    if name == "wav2vec2":
        mask = torch.ones(2, 400, dtype=torch.long)
        mask[1, 250:] = 0
        return {"input_values": torch.randn(2, 400), "attention_mask": mask if padded else None}
    if name in ("t5", "bart"):
        return {**text(padded), "decoder_input_ids": torch.randint(3, 99, (2, 7))}
    return text(padded)


def outputs(model, given):
    """All floating tensors that come out, but what it caches."""
    out = model(given) if isinstance(given, torch.Tensor) else model(**given)
    found = [value for value in out.values() if isinstance(value, torch.Tensor)]
    for part in ("text_model_output", "vision_model_output"):
        found += [out[part].last_hidden_state] if part in out else []
    return found
