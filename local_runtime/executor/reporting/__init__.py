"""What an executor tells: of itself by its heartbeat, and of its containers by triggers and notifications."""
