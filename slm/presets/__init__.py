"""From presets, settings files and single settings to the settings of a run.

The presets are the TOML files in this folder. `names` finds settings by name, `files` reads presets
and settings files, `layers` puts all of them on top of each other, and `command` goes back from
settings to a command line.
"""

from slm.presets.command import train_command
from slm.presets.files import preset_names, preset_of, preset_table, settings_file
from slm.presets.layers import Flags, command_line_words, resolve
from slm.presets.names import as_toml, current_name, full_name, parse_assignment, setting_names

DEFAULT_PRESET = "modern-12m"

__all__ = [
    "DEFAULT_PRESET",
    "Flags",
    "as_toml",
    "command_line_words",
    "current_name",
    "full_name",
    "parse_assignment",
    "preset_names",
    "preset_of",
    "preset_table",
    "resolve",
    "setting_names",
    "settings_file",
    "train_command",
]
