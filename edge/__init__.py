"""The edge: answers clicks and postbacks at once, keeps them on disk, and hands them to the workers later."""
