"""What a live event costs: CPU beside python-socketio, and memory where nobody takes them."""
