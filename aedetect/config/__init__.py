"""Read one TOML file per detector into frozen settings. Unknown keys are refused."""

from aedetect.config.config import Config, make_config, read_config

__all__ = ["Config", "make_config", "read_config"]
