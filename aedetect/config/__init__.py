"""Read one TOML file per detector into frozen settings. Unknown keys are refused."""

from aedetect.config.config import Config
from aedetect.config.reading import make_config, read_config
from aedetect.config.values import check_single, of_value

__all__ = ["Config", "check_single", "make_config", "of_value", "read_config"]
