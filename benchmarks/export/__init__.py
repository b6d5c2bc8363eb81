"""Exports to files beside the export of an older build, and beside what a user would write or install instead."""
