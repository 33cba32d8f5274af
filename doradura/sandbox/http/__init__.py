"""HTTP as the sandbox speaks it: connections, requests and answers, ranges, multipart bodies. Knows no Telegram."""
