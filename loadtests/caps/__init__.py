"""How far caps are exceeded, and how much of them stays unused, on several hosts under load with much going wrong."""
