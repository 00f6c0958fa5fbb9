"""`penstock doctor`: whether a deployment has what it needs, and what to do about what it has not.

probes        ask the broker, the database and the others for facts, each for a few seconds at most
rules         judge what was found; they ask nobody
examination   puts the two together
"""
