"""What Telegram makes of a text: markup, entities, links and addresses. Pure; knows no bot and no call."""
