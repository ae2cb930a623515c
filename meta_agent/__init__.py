"""The thinking part: proposes, evaluates, searches, and talks to models."""
