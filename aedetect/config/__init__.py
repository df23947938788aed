"""One TOML file a detector, read into frozen settings. An unknown key is refused."""

from aedetect.config.config import Config, make_config, read_config

__all__ = ["Config", "make_config", "read_config"]
