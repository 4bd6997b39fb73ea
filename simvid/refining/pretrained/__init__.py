"""Adapters to pretrained video models of the diffusers library, behind one interface."""
