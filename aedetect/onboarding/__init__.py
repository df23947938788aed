"""From files that people have to a configuration: look, convert, guess, and write a commented TOML.

Nothing is asked and nothing is trained. Every guess has its reason, and every doubt is listed.
"""

from aedetect.onboarding.initialisation import Initialised, InitRequest, initialise

__all__ = ["InitRequest", "Initialised", "initialise"]
