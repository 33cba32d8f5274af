"""The Bot API methods, one module a subject; `api/table.py` names them."""
