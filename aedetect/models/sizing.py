"""The sizes of a network, derived from its settings and the window. Imports PyTorch lazily."""

from __future__ import annotations

from aedetect.models.settings import ModelSettings, Sizes, check_backbone

_MAX_SPARSE_UNITS = 256  # wider latent vectors cost speed


def derive_sizes(settings: ModelSettings, *, length: int, inputs: int, outputs: int) -> Sizes:
    """Derive the sizes that the settings leave open. Raises ConfigError; see `check_backbone`.

    The latent vector has one number per column for the whole window, at least 2 and at most half
    the number of cells. Narrower latent vectors flag slow drift as anomalous: on gecco2018, a
    quarter of this width flags 59 % of the normal rows, this width 1 to 14 %. A sparse latent
    vector is constrained by its penalty instead, and is twice as wide as the window, up to 256. The
    hidden layer is a power of two between 32 and 128, near a quarter of the cells: wider layers are
    slower and gained nothing on the development data. Convolutions use a quarter to all of that as
    channels, in two layers, the second with half the time steps, unless the window is too short to
    be halved again.
    """
    from aedetect.models.variants import VARIANTS

    check_backbone(settings, length=length)
    variant = VARIANTS[settings.network]
    cells = length * outputs
    narrow = max(1, min(max(2, outputs), cells // 2))
    latent = settings.latent or (min(2 * cells, _MAX_SPARSE_UNITS) if variant.wide else narrow)
    hidden = _hidden(settings, length=length, cells=cells)
    shallow = settings.backbone == "dense" and not hidden
    return Sizes(
        length=length,
        inputs=inputs,
        outputs=outputs,
        hidden=hidden,
        latent=latent,
        encoded=2 * latent if variant.gaussian else latent,
        bend=variant.bend or (settings.activation if shallow and not variant.gaussian else None),
    )


def _hidden(settings: ModelSettings, *, length: int, cells: int) -> tuple[int, ...]:
    if settings.network == "linear":
        return ()
    if settings.hidden is not None:
        return settings.hidden
    near = 1 << (cells // 4).bit_length()
    if settings.backbone == "dense":
        return (min(128, max(32, near)),)
    channels = min(32, max(8, near // 4))
    return (channels, channels) if length >= 4 else (channels,)  # noqa: PLR2004 - halved twice
