"""Tiny pipelines of pretrained families with random weights, saved as folders: adapters run on them without a network.

Their tokenizer is byte-level BPE without merges: 256 tokens for bytes and a few special ones, so any text is encoded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from simvid.refining.pretrained.weights import library

_SPECIAL = ("<pad>", "</s>", "<unk>", "<s>")


def byte_tokenizer(length: int = 64, **options: Any) -> Any:
    """A tokenizer of transformers: one token for each byte, then the end of the sentence."""
    tokenizers, transformers = library("tokenizers"), library("transformers")
    pre_tokenizers, decoders = tokenizers.pre_tokenizers, tokenizers.decoders
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: k for k, token in enumerate((*_SPECIAL, *letters))}
    core = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    end = [("</s>", vocabulary["</s>"])]
    core.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", pair="$A $B </s>", special_tokens=end
    )
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "bos_token": "<s>"}
    kind = transformers.PreTrainedTokenizerFast
    return kind(tokenizer_object=core, model_max_length=length, **{**special, **options})


def tiny_wan_vae() -> Any:
    """Wan's autoencoder: 4 times shorter but for the first frame, 8 times smaller."""
    d = library("diffusers")

    return d.AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
                            temperal_downsample=[False, True, True])  # fmt: skip


def tiny_umt5() -> Any:
    """Wan's text encoder."""
    t = library("transformers")
    return t.UMT5EncoderModel(t.UMT5Config(vocab_size=320, d_model=32, d_kv=8, d_ff=32, num_layers=2, num_heads=4))


_TRANSFORMER: dict[str, Any] = {
    "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 16, "out_channels": 16,
    "text_dim": 32, "freq_dim": 64, "ffn_dim": 32, "num_layers": 2, "cross_attn_norm": True, "rope_max_seq_len": 32,
}  # fmt: skip


def save_wan_vace(folder: Path) -> None:
    """WanVACEPipeline."""
    d = library("diffusers")

    def build() -> Any:
        transformer = d.WanVACETransformer3DModel(**_TRANSFORMER, vace_layers=[0, 1], vace_in_channels=96)
        scheduler = d.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
        return d.WanVACEPipeline(byte_tokenizer(), tiny_umt5(), tiny_wan_vae(), scheduler, transformer)

    _saved(build, folder)


def save_wan(folder: Path) -> None:
    """WanPipeline, which is also what video-to-video runs on."""
    d = library("diffusers")

    def build() -> Any:
        scheduler = d.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
        parts = (byte_tokenizer(), tiny_umt5(), tiny_wan_vae(), scheduler, d.WanTransformer3DModel(**_TRANSFORMER))
        return d.WanPipeline(*parts)

    _saved(build, folder)


def save_skyreels(folder: Path) -> None:
    """SkyReelsV2DiffusionForcingPipeline."""
    d = library("diffusers")

    def build() -> Any:
        scheduler = d.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=8.0)
        transformer = d.SkyReelsV2Transformer3DModel(**_TRANSFORMER)
        parts = (byte_tokenizer(), tiny_umt5(), transformer, tiny_wan_vae(), scheduler)
        return d.SkyReelsV2DiffusionForcingPipeline(*parts)

    _saved(build, folder)


_SMALL_UNET: dict[str, Any] = {
    "block_out_channels": (8, 8), "layers_per_block": 1, "in_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "cross_attention_dim": 8, "norm_num_groups": 2,
}  # fmt: skip


def save_stable_diffusion(folder: Path) -> None:
    """StableDiffusionPipeline, version 1.5, with a ``motion_adapter`` and a ``controlnet`` for it in folders beside."""
    d, t = library("diffusers"), library("transformers")

    def build() -> Any:
        unet = d.UNet2DConditionModel(**_SMALL_UNET, out_channels=4, sample_size=8,
                                      up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"))  # fmt: skip
        vae = d.AutoencoderKL(block_out_channels=(4, 4, 4, 4), down_block_types=["DownEncoderBlock2D"] * 4,
                              up_block_types=["UpDecoderBlock2D"] * 4, latent_channels=4,
                              norm_num_groups=2)  # fmt: skip
        text = t.CLIPTextModel(t.CLIPTextConfig(hidden_size=8, intermediate_size=16, num_attention_heads=2,
                                                num_hidden_layers=2, vocab_size=320, max_position_embeddings=77,
                                                pad_token_id=0, eos_token_id=1, bos_token_id=3))  # fmt: skip
        parts = (
            vae,
            text,
            byte_tokenizer(77),
            unet,
            d.DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, steps_offset=1),
        )
        return d.StableDiffusionPipeline(*parts, safety_checker=None, feature_extractor=None,
                                         requires_safety_checker=False)  # fmt: skip

    _saved(build, folder)
    motion = d.MotionAdapter(block_out_channels=(8, 8), motion_layers_per_block=1, motion_norm_num_groups=2,
                             motion_num_attention_heads=2)  # fmt: skip
    _awake(motion).save_pretrained(folder.parent / "motion_adapter")
    control = d.ControlNetModel(**_SMALL_UNET, conditioning_embedding_out_channels=(4, 4, 4, 4))
    _awake(control).save_pretrained(folder.parent / "controlnet")


def save_ltx2(folder: Path) -> None:
    """LTX2InContextPipeline, with its sound; 8 times smaller, 2 times shorter but for the first frame."""
    d, parts = library("diffusers"), library("diffusers.pipelines.ltx2")

    def build() -> Any:
        rope = {"rope_double_precision": False, "rope_type": "split"}
        transformer = d.LTX2VideoTransformer3DModel(
            in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16,
            audio_in_channels=4, audio_out_channels=4, audio_num_attention_heads=2, audio_attention_head_dim=4,
            audio_cross_attention_dim=8, num_layers=2, caption_channels=32, **rope,
        )  # fmt: skip
        heads = {f"{kind}_connector_{name}": value for kind in ("video", "audio") for name, value in _CONNECTOR.items()}
        connectors = parts.LTX2TextConnectors(caption_channels=32, text_proj_in_factor=3, rope_theta=10000.0,
                                              connector_rope_base_seq_len=32, causal_temporal_positioning=False,
                                              **heads, **rope)  # fmt: skip
        vae = d.AutoencoderKLLTX2Video(
            latent_channels=4, block_out_channels=(8,), decoder_block_out_channels=(8,), layers_per_block=(1,),
            decoder_layers_per_block=(1, 1), spatio_temporal_scaling=(True,), decoder_spatio_temporal_scaling=(True,),
            decoder_inject_noise=(False, False), downsample_type=("spatial",), upsample_residual=(False,),
            upsample_factor=(1,), timestep_conditioning=False, patch_size=4, patch_size_t=1, decoder_causal=False,
        )  # fmt: skip
        sound = d.AutoencoderKLLTX2Audio(
            base_channels=4, output_channels=2, ch_mult=(1,), num_res_blocks=1, attn_resolutions=None, in_channels=2,
            resolution=32, latent_channels=2, mid_block_add_attention=False, sample_rate=16000, mel_hop_length=160,
            mel_bins=8,
        )  # fmt: skip
        vocoder = library("diffusers.pipelines.ltx2.vocoder").LTX2Vocoder(
            in_channels=16, hidden_channels=32, out_channels=2, upsample_kernel_sizes=[4, 4], upsample_factors=[2, 2],
            resnet_kernel_sizes=[3], resnet_dilations=[[1, 3, 5]], output_sampling_rate=16000,
        )  # fmt: skip
        return d.LTX2InContextPipeline(
            scheduler=d.FlowMatchEulerDiscreteScheduler(), vae=vae, audio_vae=sound, text_encoder=_tiny_gemma3(),
            tokenizer=byte_tokenizer(128, padding_side="left"), connectors=connectors, transformer=transformer,
            vocoder=vocoder,
        )  # fmt: skip

    _saved(build, folder)


_CONNECTOR = {"num_attention_heads": 4, "attention_head_dim": 8, "num_layers": 1, "num_learnable_registers": None}


def _tiny_gemma3() -> Any:
    """LTX-2's text encoder; its width must be that of the connectors, 4 heads of 8."""
    t = library("transformers")
    text = {"vocab_size": 320, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "head_dim": 16,
            "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 1024}  # fmt: skip
    seen = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": 28, "patch_size": 14}  # fmt: skip
    config = t.Gemma3Config(text_config=text, vision_config=seen, mm_tokens_per_image=4, boi_token_index=301,
                            eoi_token_index=302, image_token_index=303)  # fmt: skip
    return t.Gemma3ForConditionalGeneration(config)


def save_cosmos_transfer(folder: Path) -> None:
    """Cosmos2_5_TransferPipeline without its checker, and a ``cosmos_controlnet`` in a folder beside."""
    d = library("diffusers")
    size = {"num_attention_heads": 2, "attention_head_dim": 16, "mlp_ratio": 2, "text_embed_dim": 32,
            "adaln_lora_dim": 4, "patch_size": (1, 2, 2), "max_size": (4, 32, 32), "rope_scale": (2.0, 1.0, 1.0),
            "extra_pos_embed_type": "learnable", "img_context_dim_in": 32, "img_context_dim_out": 32}  # fmt: skip

    def build() -> Any:
        net = d.CosmosControlNetModel(n_controlnet_blocks=2, in_channels=18, latent_channels=18, model_channels=32,
                                      use_crossattn_projection=False, **size)  # fmt: skip
        transformer = d.CosmosTransformer3DModel(in_channels=17, out_channels=16, num_layers=2,
                                                 concat_padding_mask=True, controlnet_block_every_n=1,
                                                 img_context_num_tokens=4, **size)  # fmt: skip
        steps = d.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
        template = "{% for m in messages %}{{ m['content'][0]['text'] }}{% endfor %}"
        return d.Cosmos2_5_TransferPipeline(
            text_encoder=_tiny_qwen(), tokenizer=byte_tokenizer(128, chat_template=template), transformer=transformer,
            vae=tiny_wan_vae(), scheduler=steps, controlnet=net, safety_checker=_NoChecker(),
        )  # fmt: skip

    _saved(build, folder).controlnet.save_pretrained(folder.parent / "cosmos_controlnet")


def save_cosmos3(folder: Path) -> None:
    """Cosmos3OmniModularPipeline with the index of parts that a hub's folder has."""
    d = library("diffusers")

    def build() -> Any:
        vae = d.AutoencoderKLWan(base_dim=4, decoder_base_dim=4, z_dim=8, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
                                 temperal_downsample=[False, True, True], latents_mean=[0.0] * 8,
                                 latents_std=[1.0] * 8, is_residual=True, in_channels=12, out_channels=12,
                                 patch_size=2, scale_factor_spatial=16)  # fmt: skip
        transformer = d.Cosmos3OmniTransformer(
            head_dim=16, hidden_size=32, intermediate_size=32, latent_channel=8, patch_latent_dim=32, vocab_size=320,
            num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=2, rope_axes_dim=[4, 2, 2],
        )  # fmt: skip
        template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
        tokens = byte_tokenizer(512, chat_template=template)
        tokens.add_special_tokens({"additional_special_tokens": ["<|vision_start|>"]})
        pipe = d.modular_pipelines.cosmos.Cosmos3OmniBlocks().init_pipeline()
        steps = d.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
        pipe.update_components(vae=vae, transformer=transformer, text_tokenizer=tokens, scheduler=steps)
        return pipe

    _saved(build, folder, overwrite_modular_index=True)
    index = folder / "modular_model_index.json"
    index.write_text(index.read_text(encoding="utf-8").replace(str(folder), "nobody/cosmos3"), encoding="utf-8")


class _NoChecker:
    """In the place of the guardrail while a pipeline is built; it is not saved."""


def _tiny_qwen() -> Any:
    """Cosmos' text encoder: two layers of 16 make the 32 that its transformer reads."""
    t = library("transformers")
    text = {"vocab_size": 320, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 2, "bos_token_id": 3, "eos_token_id": 1,
            "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"}}  # fmt: skip
    seen = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    special = {f"{name}_token_id": 300 + k for k, name in enumerate(("image", "video", "vision_start", "vision_end"))}
    return t.Qwen2_5_VLForConditionalGeneration(t.Qwen2_5_VLConfig(text_config=text, vision_config=seen, **special))


def _saved(build: Callable[[], Any], folder: Path, **options: Any) -> Any:
    """Build with drawn weights, those that start at zero too, and save."""
    torch = library("torch")
    library("transformers.utils.logging").disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pipe = build()
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            _awake(part)
    pipe.save_pretrained(str(folder), **options)
    return pipe


def _awake(model: Any) -> Any:
    """With the weights that start at zero drawn too."""
    torch = library("torch")
    with torch.no_grad():
        for weight in model.parameters():
            if not weight.abs().sum() > 0:
                weight.normal_(0, 0.1)
    return model


class GuardrailChecker:
    """Plays NVIDIA's checker: refuses prompts with a word in them, and pictures when told to."""

    refuse_pictures = False

    def to(self, *where: Any, **how: Any) -> GuardrailChecker:
        """Stay."""
        return self

    def check_text_safety(self, prompt: str) -> bool:
        """Whether the word is not there."""
        return "bomb" not in prompt

    def check_video_safety(self, frames: Any) -> Any:
        """The pictures, or None."""
        return None if self.refuse_pictures else frames


def play_guardrail(patch: Any) -> None:
    """Let ``cosmos_guardrail`` be importable, with ``GuardrailChecker`` for its checker, while a patch lasts."""
    module = ModuleType("cosmos_guardrail")
    patch.setattr(module, "CosmosSafetyChecker", GuardrailChecker, raising=False)
    patch.setitem(sys.modules, "cosmos_guardrail", module)
