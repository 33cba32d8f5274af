"""The bot's side of the child processes: starts them, gives them orders, hears them, ends them."""
