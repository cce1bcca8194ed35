"""Asks which of two things one likes better, and puts each answer into a list of redis."""

import json
import os
import secrets

from flask import Flask, make_response, request
from redis import Redis

OPTIONS = {"a": os.environ.get("OPTION_A", "Cats"), "b": os.environ.get("OPTION_B", "Dogs")}

app = Flask(__name__)
redis = Redis(host=os.environ.get("REDIS_HOST", "redis"), port=int(os.environ.get("REDIS_PORT", "6379")))


@app.route("/", methods=["GET", "POST"])
def vote():
    voter = request.cookies.get("voter_id") or secrets.token_hex(8)
    chosen = request.form.get("vote")
    if chosen in OPTIONS:
        redis.rpush("votes", json.dumps({"voter_id": voter, "vote": chosen}))
    buttons = "".join(
        f'<button name="vote" value="{key}">{name}</button>' for key, name in OPTIONS.items() if key != chosen
    )
    title = f"{OPTIONS['a']} vs {OPTIONS['b']}"
    response = make_response(f'<!doctype html><title>{title}</title><form method="post">{buttons}</form>\n')
    response.set_cookie("voter_id", voter)
    return response


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=int(os.environ.get("PORT", "80")))
