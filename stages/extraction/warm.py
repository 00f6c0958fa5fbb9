"""Loads what is otherwise loaded at first use: imported once, by the process that parsing children are forked from.

The model that tells languages apart takes a second of CPU to read, which on a busy machine is a good part of what a
page may take, and each child would read it anew.
"""

from stages.extraction.language import language_of

language_of(None, "A penstock is the gated pipe that feeds a turbine.")
