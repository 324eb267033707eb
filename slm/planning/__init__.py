"""From a time budget to the settings of a run: scaling law, machine profile, plan."""
