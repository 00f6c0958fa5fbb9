"""Webhooks, after the Standard Webhooks specification (standardwebhooks.com).

desk         registers endpoints, and asks for tests and redeliveries
signing      secrets and signatures
sender       sends one delivery once
dispatcher   hands what is due to threads that send, a few for each endpoint
"""
