"""Stream-Sentinel's commands, one file each: parse the flags, call the layers below, render."""
