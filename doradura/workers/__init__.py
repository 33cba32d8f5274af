"""The bot's side of the child processes: starts them, gives them orders, reads their messages, ends them."""
