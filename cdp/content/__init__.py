"""What messages say: templates, the brand, and how both become a message for each channel.

A template is a YAML file: blocks for an e-mail and words for the other channels, by language, with Liquid for what is
said of the person. It is compiled once, checked with the longest values, and rendered for each message; a version of
it never changes. Pure functions; `library.py` reads the files.
"""

from cdp.content.compiled import Compiled, compile_template
from cdp.content.model import Offer, Template
from cdp.content.rendering import Values, render

__all__ = ["Compiled", "Offer", "Template", "Values", "compile_template", "render"]
